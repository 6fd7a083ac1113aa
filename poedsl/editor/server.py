"""The language server: documents that are open in an editor, and the requests about them.

A document is compiled once for each text that it has had. Diagnostics follow a change when no
other change has come for a short while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.lsp.server import LanguageServer
from pygls.uris import from_fs_path, to_fs_path

from poedsl.editor import protocol
from poedsl.editor.completion import completions
from poedsl.editor.document import Document
from poedsl.editor.edits import actions, formatting
from poedsl.editor.hover import hover
from poedsl.editor.inlay_hints import inlay_hints
from poedsl.editor.navigation import code_of, definition, outline, references
from poedsl.editor.positions import Positions
from poedsl.editor.rename import RenameError, renamable, rename
from poedsl.editor.semantic_tokens import semantic_tokens
from poedsl.editor.signature_help import signature_help
from poedsl.version import __version__

#: Seconds without a change after which diagnostics are published.
PAUSE = 0.05


class ProgramServer(LanguageServer):
    """The server, with what the compiler made of each open document."""

    def __init__(self) -> None:
        super().__init__("poe", __version__, types.TextDocumentSyncKind.Full)
        self.opened: dict[str, tuple[Document, Positions]] = {}

    def find(self, uri: str) -> tuple[Document, Positions]:
        """The document of an address as it is now, and its positions."""
        try:
            text = self.workspace.get_text_document(uri).source
        except (OSError, UnicodeDecodeError):
            text = ""
        opened = self.opened.get(uri)
        if opened is not None and opened[0].text == text:
            return opened
        path = to_fs_path(uri) if uri.startswith("file:") else None
        base = Path(path).parent if path else Path()
        name = Path(path).name if path else "<editor>"
        kind = types.PositionEncodingKind(self.workspace.position_encoding or "utf-16")
        entry = Document(text, name, base), Positions(text, kind.value)
        self.opened[uri] = entry
        return entry

    def place(self, params: Any) -> tuple[Document, Positions, int]:
        """The document of a request, and the offset that it is about."""
        document, positions = self.find(params.text_document.uri)
        offset = positions.offset(params.position.line, params.position.character)
        return document, positions, offset

    def publish(self, uri: str) -> None:
        document, positions = self.find(uri)
        items = [protocol.diagnostic(d, positions, uri) for d in document.diagnostics]
        version = self.workspace.get_text_document(uri).version
        self.text_document_publish_diagnostics(types.PublishDiagnosticsParams(uri, items, version))


def _opened(ls: ProgramServer, params: types.DidOpenTextDocumentParams) -> None:
    ls.publish(params.text_document.uri)


async def _changed(ls: ProgramServer, params: types.DidChangeTextDocumentParams) -> None:
    uri, version = params.text_document.uri, params.text_document.version
    await asyncio.sleep(PAUSE)
    is_open = uri in ls.workspace.text_documents
    if is_open and ls.workspace.get_text_document(uri).version == version:
        ls.publish(uri)


def _closed(ls: ProgramServer, params: types.DidCloseTextDocumentParams) -> None:
    ls.opened.pop(params.text_document.uri, None)
    ls.text_document_publish_diagnostics(
        types.PublishDiagnosticsParams(params.text_document.uri, [])
    )


def _hover(ls: ProgramServer, params: types.HoverParams) -> types.Hover | None:
    document, positions, offset = ls.place(params)
    shown = hover(document, offset)
    return None if shown is None else protocol.hover(shown, positions)


def _completion(ls: ProgramServer, params: types.CompletionParams) -> types.CompletionList:
    document, _, offset = ls.place(params)
    items = [protocol.completion_item(c) for c in completions(document, offset)]
    return types.CompletionList(is_incomplete=False, items=items)


def _signature(ls: ProgramServer, params: types.SignatureHelpParams) -> types.SignatureHelp | None:
    document, _, offset = ls.place(params)
    shown = signature_help(document, offset)
    return None if shown is None else protocol.signature_help(shown)


def _definition(ls: ProgramServer, params: types.DefinitionParams) -> types.Location | None:
    document, positions, offset = ls.place(params)
    code = code_of(document, offset)
    uri = from_fs_path(str(code.path)) if code is not None else None
    if code is not None and uri is not None:
        start = types.Position(code.line, 0)
        return types.Location(uri, types.Range(start, start))
    span = definition(document, offset)
    if span is None:
        return None
    return types.Location(params.text_document.uri, protocol.range_of(positions, span))


def _references(ls: ProgramServer, params: types.ReferenceParams) -> list[types.Location]:
    document, positions, offset = ls.place(params)
    return [
        types.Location(params.text_document.uri, protocol.range_of(positions, o.span))
        for o in references(document, offset)
        if params.context.include_declaration or not o.declares
    ]


def _highlight(
    ls: ProgramServer, params: types.DocumentHighlightParams
) -> list[types.DocumentHighlight]:
    document, positions, offset = ls.place(params)
    return [
        types.DocumentHighlight(protocol.range_of(positions, o.span))
        for o in references(document, offset)
    ]


def _may_rename(ls: ProgramServer, params: types.PrepareRenameParams) -> types.Range | None:
    document, positions, offset = ls.place(params)
    occurrence = renamable(document, offset)
    return None if occurrence is None else protocol.range_of(positions, occurrence.span)


def _rename(ls: ProgramServer, params: types.RenameParams) -> types.WorkspaceEdit:
    document, positions, offset = ls.place(params)
    try:
        edits = rename(document, offset, params.new_name)
    except RenameError as error:
        raise JsonRpcException(str(error), types.LSPErrorCodes.RequestFailed) from error
    return types.WorkspaceEdit({params.text_document.uri: protocol.text_edits(edits, positions)})


def _formatting(ls: ProgramServer, params: types.DocumentFormattingParams) -> list[types.TextEdit]:
    document, positions = ls.find(params.text_document.uri)
    return protocol.text_edits(formatting(document), positions)


def _actions(ls: ProgramServer, params: types.CodeActionParams) -> list[types.CodeAction]:
    uri = params.text_document.uri
    document, positions = ls.find(uri)
    offered = actions(document, protocol.span_of(positions, params.range))
    offers = [protocol.code_action(action, positions, uri) for action in offered]
    only = params.context.only
    return [a for a in offers if only is None or _is_requested(a.kind, only)]


def _is_requested(kind: str | None, only: Iterable[str]) -> bool:
    """Whether a kind of action is one of those asked for, or below one."""
    return any(f"{_plain(kind)}.".startswith(f"{_plain(k)}.") or not k for k in only)


def _plain(kind: str | None) -> str:
    """A kind as text: kinds that the protocol lists arrive as members of an enumeration."""
    return str(getattr(kind, "value", kind))


def _tokens(ls: ProgramServer, params: types.SemanticTokensParams) -> types.SemanticTokens:
    document, positions = ls.find(params.text_document.uri)
    return types.SemanticTokens(protocol.token_data(semantic_tokens(document), positions))


def _hints(ls: ProgramServer, params: types.InlayHintParams) -> list[types.InlayHint]:
    document, positions = ls.find(params.text_document.uri)
    span = protocol.span_of(positions, params.range)
    return [
        protocol.inlay_hint(hint, positions)
        for hint in inlay_hints(document)
        if span.start <= hint.offset <= span.end
    ]


def _symbols(ls: ProgramServer, params: types.DocumentSymbolParams) -> list[types.DocumentSymbol]:
    document, positions = ls.find(params.text_document.uri)
    return [protocol.document_symbol(symbol, positions) for symbol in outline(document)]


_ACTION_KINDS = [types.CodeActionKind.QuickFix, types.CodeActionKind.SourceFixAll]
#: The requests and notifications that are answered, each with what is said about it at the start.
HANDLERS: tuple[tuple[str, Callable[..., Any], Any], ...] = (
    (types.TEXT_DOCUMENT_DID_OPEN, _opened, None),
    (types.TEXT_DOCUMENT_DID_CHANGE, _changed, None),
    (types.TEXT_DOCUMENT_DID_CLOSE, _closed, None),
    (types.TEXT_DOCUMENT_HOVER, _hover, None),
    (
        types.TEXT_DOCUMENT_COMPLETION,
        _completion,
        types.CompletionOptions(trigger_characters=["(", ",", ".", ":"]),
    ),
    (
        types.TEXT_DOCUMENT_SIGNATURE_HELP,
        _signature,
        types.SignatureHelpOptions(trigger_characters=["(", ",", "="]),
    ),
    (types.TEXT_DOCUMENT_DEFINITION, _definition, None),
    (types.TEXT_DOCUMENT_REFERENCES, _references, None),
    (types.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, _highlight, None),
    (types.TEXT_DOCUMENT_PREPARE_RENAME, _may_rename, None),
    (types.TEXT_DOCUMENT_RENAME, _rename, types.RenameOptions(prepare_provider=True)),
    (types.TEXT_DOCUMENT_FORMATTING, _formatting, None),
    (types.TEXT_DOCUMENT_CODE_ACTION, _actions, types.CodeActionOptions(_ACTION_KINDS)),
    (types.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, _tokens, protocol.LEGEND),
    (types.TEXT_DOCUMENT_INLAY_HINT, _hints, None),
    (types.TEXT_DOCUMENT_DOCUMENT_SYMBOL, _symbols, None),
)


def server() -> ProgramServer:
    """A server with all its handlers; `start_io` speaks on standard input and output."""
    made = ProgramServer()
    for method, handler, options in HANDLERS:
        made.feature(method, options)(handler)
    return made
