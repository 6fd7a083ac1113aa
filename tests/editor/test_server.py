"""The server as an editor talks to it: another process, on standard input and output."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.client import LanguageClient

from poedsl.editor.positions import Encoding, Positions

#: An emoji and a combining letter stand before everything that is asked about.
TEXT = (
    'let 🎲 = 1\nlet t = "🎲 naı\u0308ve" + wied\nlet wide = 2  # 🎲 é\nx ~ Normal(wide, 2) ** 2\n'
)
START = "from poedsl.cli.entry import entry; entry()"


class Client(LanguageClient):
    """A client that keeps the diagnostics that it is sent, and opens one document."""

    def __init__(self) -> None:
        super().__init__("tests", "1")
        self.diagnostics: asyncio.Queue[types.PublishDiagnosticsParams] = asyncio.Queue()
        self.uri = ""
        self.version = 0
        self.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)(
            lambda params: self.diagnostics.put_nowait(params)
        )

    @property
    def document(self) -> types.TextDocumentIdentifier:
        return types.TextDocumentIdentifier(self.uri)

    async def begin(self, folder: Path, encoding: Encoding | None) -> types.InitializeResult:
        kinds = None if encoding is None else [types.PositionEncodingKind(encoding)]
        general = types.GeneralClientCapabilities(position_encodings=kinds)
        capabilities = types.ClientCapabilities(general=general)
        result = await self.initialize_async(
            types.InitializeParams(capabilities, root_uri=folder.as_uri())
        )
        self.initialized(types.InitializedParams())
        self.uri = (folder / "a.poe").as_uri()
        return result

    async def open(self, text: str) -> list[types.Diagnostic]:
        item = types.TextDocumentItem(self.uri, "poe", 0, text)
        self.text_document_did_open(types.DidOpenTextDocumentParams(item))
        return await self.published()

    async def change(self, *texts: str) -> list[types.Diagnostic]:
        """The diagnostics after some changes in a row."""
        for text in texts:
            self.version += 1
            document = types.VersionedTextDocumentIdentifier(self.version, self.uri)
            whole = types.TextDocumentContentChangeWholeDocument(text)
            self.text_document_did_change(types.DidChangeTextDocumentParams(document, [whole]))
        return await self.published()

    async def published(self) -> list[types.Diagnostic]:
        params = await asyncio.wait_for(self.diagnostics.get(), 30)
        assert (params.uri, params.version) == (self.uri, self.version)
        return list(params.diagnostics)


def converse(talk: Callable[[Client], Awaitable[None]]) -> None:
    """Talk with a server of its own, and see that it ends well."""

    async def run() -> None:
        client = Client()
        await client.start_io(sys.executable, "-c", START, "lsp")
        try:
            await talk(client)
            await client.shutdown_async(None)
        finally:
            client.exit(None)
            await client.stop()
        assert client._server is not None
        assert client._server.returncode == 0

    asyncio.run(asyncio.wait_for(run(), 60))


def place(text: str, word: str, encoding: Encoding = "utf-16") -> types.Position:
    return types.Position(*Positions(text, encoding).position(text.index(word)))


async def check_places(
    client: Client, diagnostics: list[types.Diagnostic], encoding: Encoding
) -> None:
    """The error in `TEXT` and its fix are where they are in the units of the client."""
    (unknown,) = (d for d in diagnostics if d.code == "P0201")
    assert unknown.range.start == place(TEXT, "wied", encoding)
    actions = await client.text_document_code_action_async(
        types.CodeActionParams(client.document, unknown.range, types.CodeActionContext([unknown]))
    )
    edits = [e for a in actions or () for e in edits_of(a, client.uri)]
    assert (edits[0].range, edits[0].new_text) == (unknown.range, "wide")


@pytest.mark.slow
def test_a_client_may_count_in_other_units(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        result = await client.begin(tmp_path, "utf-8")
        assert result.capabilities.position_encoding == "utf-8"
        await check_places(client, await client.open(TEXT), "utf-8")

    converse(talk)


def edits_of(action: types.CodeAction | types.Command, uri: str) -> list[types.TextEdit]:
    assert isinstance(action, types.CodeAction)
    assert action.edit is not None
    assert action.edit.changes is not None
    return list(action.edit.changes[uri])


@pytest.mark.slow
def test_everything_that_an_editor_asks(tmp_path: Path) -> None:
    text = (
        "# 🎲\nlet c = 2\nx ~ Normal(c, 1)^2 * Normal(0, 1)\nfor m in [c]:\n    x ~ Normal(m, 1)\n"
    )

    async def talk(client: Client) -> None:
        await client.begin(tmp_path, None)
        assert await client.open(text) == []
        document, uri = client.document, client.uri
        at = place(text, "c, 1")

        hover = await client.text_document_hover_async(types.HoverParams(document, at))
        assert hover is not None
        assert isinstance(hover.contents, types.MarkupContent)
        assert "constant c : Int = 2" in hover.contents.value

        where = await client.text_document_definition_async(types.DefinitionParams(document, at))
        assert isinstance(where, types.Location)
        assert where.range.start == place(text, "c = 2")

        context = types.ReferenceContext(include_declaration=True)
        places = await client.text_document_references_async(
            types.ReferenceParams(context, document, at)
        )
        assert [p.range.start.line for p in places or ()] == [1, 2, 3]

        assert await client.text_document_prepare_rename_async(
            types.PrepareRenameParams(document, at)
        )
        renamed = await client.text_document_rename_async(
            types.RenameParams(text_document=document, position=at, new_name="d")
        )
        assert renamed is not None
        assert renamed.changes is not None
        assert [e.new_text for e in renamed.changes[uri]] == ["d"] * 3
        with pytest.raises(JsonRpcException, match="would not mean the same"):
            await client.text_document_rename_async(
                types.RenameParams(text_document=document, position=at, new_name="x")
            )

        listed = await client.text_document_completion_async(types.CompletionParams(document, at))
        assert isinstance(listed, types.CompletionList)
        assert {"c", "loc", "Normal", "sum"} <= {item.label for item in listed.items}

        signature = await client.text_document_signature_help_async(
            types.SignatureHelpParams(document, at)
        )
        assert signature is not None
        assert (signature.signatures[0].label[:11], signature.active_parameter) == (
            "Normal(loc:",
            0,
        )

        tokens = await client.text_document_semantic_tokens_full_async(
            types.SemanticTokensParams(document)
        )
        assert tokens is not None
        assert len(tokens.data) % 5 == 0
        assert list(tokens.data[:5]) == [0, 0, 4, 1, 0], "a comment of four units"

        whole = types.Range(types.Position(0, 0), types.Position(99, 0))
        hints = await client.text_document_inlay_hint_async(types.InlayHintParams(document, whole))
        assert [h.label for h in hints or ()] == [": Real"]

        symbols = await client.text_document_document_symbol_async(
            types.DocumentSymbolParams(document)
        )
        assert [s.name for s in symbols or ()] == ["c", "x ~", "for m"]

    converse(talk)


@pytest.mark.slow
def test_changes_are_followed_whatever_is_typed(tmp_path: Path) -> None:
    async def talk(client: Client) -> None:
        await client.begin(tmp_path, None)
        assert await client.open("x ~ Normal(0, 1)\n") == []
        (error,) = await client.change("x", "x ~", "x ~ Nrmal(0, 1)\n")
        assert (error.code, error.source) == ("P0202", "poe")
        assert await client.change("\ud83d", "\u0000", "x ~ exp(" * 3000) != []
        await check_places(client, await client.change(TEXT), "utf-16")
        assert await client.change("x~Normal(0,1)\n") == []
        options = types.FormattingOptions(4, insert_spaces=True)
        edits = await client.text_document_formatting_async(
            types.DocumentFormattingParams(client.document, options)
        )
        assert [e.new_text for e in edits or ()] == ["x ~ Normal(0, 1)\n"]
        far = types.Position(10**6, 10**6)
        nothing = await client.text_document_hover_async(types.HoverParams(client.document, far))
        assert nothing is None
        other = types.TextDocumentIdentifier((tmp_path / "not_there.poe").as_uri())
        empty = await client.text_document_definition_async(types.DefinitionParams(other, far))
        assert empty is None

    converse(talk)


def test_without_the_library_the_command_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from poedsl.cli import lsp

    monkeypatch.setattr(lsp, "find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        lsp.serve()
    assert ended.value.code == 2
    assert "pip install" in capsys.readouterr().err
