// Starts the language server `poe lsp`, and again where its command changes or on demand.
"use strict";

const vscode = require("vscode");
const { LanguageClient, TransportKind } = require("vscode-languageclient/node");

let client;

async function start() {
  const [command, ...args] = vscode.workspace.getConfiguration("poe").get("command");
  const server = { command, args, transport: TransportKind.stdio };
  const documents = [
    { scheme: "file", language: "poe" },
    { scheme: "untitled", language: "poe" },
  ];
  client = new LanguageClient("poe", "poe", server, { documentSelector: documents });
  try {
    await client.start();
  } catch (error) {
    client = undefined;
    vscode.window.showErrorMessage(
      `The language server of poe does not start: ${error.message ?? error}. ` +
        "The setting poe.command is the command that starts it; the extra `editor` of poedsl has it.",
    );
  }
}

async function stop() {
  const running = client;
  client = undefined;
  await running?.stop();
}

async function activate(context) {
  const restart = async () => {
    await stop();
    await start();
  };
  context.subscriptions.push(
    vscode.commands.registerCommand("poe.restart", restart),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (event.affectsConfiguration("poe.command")) restart();
    }),
  );
  await start();
}

module.exports = { activate, deactivate: stop };
