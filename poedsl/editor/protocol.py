"""What the features return, in the types of the language server protocol."""

from __future__ import annotations

from collections.abc import Iterable

from lsprotocol import types

from poedsl.editor.completion import Completion, Kind
from poedsl.editor.edits import Action
from poedsl.editor.hover import Hover
from poedsl.editor.inlay_hints import InlayHint
from poedsl.editor.navigation import Symbol
from poedsl.editor.positions import Positions
from poedsl.editor.semantic_tokens import MODIFIERS, TYPES, SemanticToken
from poedsl.editor.signature_help import SignatureHelp
from poedsl.grammar.diagnostics import Diagnostic, Edit
from poedsl.grammar.source import Span

LEGEND = types.SemanticTokensLegend(token_types=list(TYPES), token_modifiers=list(MODIFIERS))

_SEVERITIES = {
    "error": types.DiagnosticSeverity.Error,
    "warning": types.DiagnosticSeverity.Warning,
    "note": types.DiagnosticSeverity.Information,
}
#: Codes of what is not used, which editors show faded.
_UNUSED = frozenset({"P0801"})

_KINDS: dict[Kind, types.CompletionItemKind] = {
    "keyword": types.CompletionItemKind.Keyword,
    "variable": types.CompletionItemKind.Variable,
    "function": types.CompletionItemKind.Function,
    "expert": types.CompletionItemKind.Class,
    "type": types.CompletionItemKind.TypeParameter,
    "option": types.CompletionItemKind.Property,
    "form": types.CompletionItemKind.EnumMember,
    "parameter": types.CompletionItemKind.Field,
    "field": types.CompletionItemKind.Field,
}

_SYMBOLS = {
    "input": types.SymbolKind.Field,
    "constant": types.SymbolKind.Constant,
    "variable": types.SymbolKind.Variable,
    "factor": types.SymbolKind.Operator,
    "expert": types.SymbolKind.Class,
    "use": types.SymbolKind.Module,
    "loop": types.SymbolKind.Namespace,
    "options": types.SymbolKind.Property,
    "report": types.SymbolKind.Event,
}


def position(positions: Positions, offset: int) -> types.Position:
    return types.Position(*positions.position(offset))


def range_of(positions: Positions, span: Span) -> types.Range:
    return types.Range(position(positions, span.start), position(positions, span.end))


def span_of(positions: Positions, lsp_range: types.Range) -> Span:
    start = positions.offset(lsp_range.start.line, lsp_range.start.character)
    return Span(start, max(start, positions.offset(lsp_range.end.line, lsp_range.end.character)))


def diagnostic(d: Diagnostic, positions: Positions, uri: str) -> types.Diagnostic:
    """A diagnostic; its notes stand below the message, its labels are related places."""
    head = f"{d.message}: {d.here}" if d.here else d.message
    notes = [f"note: {note}" for note in d.notes]
    shown = [f"help: {fix.text}" for fix in d.fixes]
    related = [
        types.DiagnosticRelatedInformation(
            types.Location(uri, range_of(positions, label.span)), label.text
        )
        for label in d.labels
    ]
    return types.Diagnostic(
        range=range_of(positions, d.span),
        message="\n".join([head, *notes, *shown]),
        severity=_SEVERITIES[d.severity],
        code=d.code,
        source="poe",
        tags=[types.DiagnosticTag.Unnecessary] if d.code in _UNUSED else None,
        related_information=related or None,
    )


def text_edits(edits: Iterable[Edit], positions: Positions) -> list[types.TextEdit]:
    return [types.TextEdit(range_of(positions, e.span), e.text) for e in edits]


def code_action(action: Action, positions: Positions, uri: str) -> types.CodeAction:
    d = action.diagnostic
    return types.CodeAction(
        title=action.title,
        kind=types.CodeActionKind.SourceFixAll if d is None else types.CodeActionKind.QuickFix,
        diagnostics=None if d is None else [diagnostic(d, positions, uri)],
        is_preferred=action.safe and d is not None,
        edit=types.WorkspaceEdit({uri: text_edits(action.edits, positions)}),
    )


def hover(shown: Hover, positions: Positions) -> types.Hover:
    return types.Hover(_markdown(shown.text), range_of(positions, shown.span))


def completion_item(completion: Completion) -> types.CompletionItem:
    return types.CompletionItem(
        label=completion.word,
        kind=_KINDS[completion.kind],
        detail=completion.detail or None,
        documentation=_plain(completion.page) if completion.page else None,
        insert_text=completion.insert or None,
        sort_text=f"{completion.rank}{completion.word}",
    )


def signature_help(shown: SignatureHelp) -> types.SignatureHelp:
    called = shown.called
    parameters = [
        types.ParameterInformation(p.label, _plain(p.summary) if p.summary else None)
        for p in called.parameters
    ]
    information = types.SignatureInformation(
        called.label, _plain(called.summary), parameters, shown.active
    )
    return types.SignatureHelp([information], 0, shown.active)


def inlay_hint(hint: InlayHint, positions: Positions) -> types.InlayHint:
    kinds = {"type": types.InlayHintKind.Type, "parameter": types.InlayHintKind.Parameter}
    return types.InlayHint(
        position=position(positions, hint.offset),
        label=hint.label,
        kind=kinds[hint.kind],
        tooltip=_markdown(hint.page) if hint.page else None,
        padding_left=hint.label.startswith("="),
    )


def document_symbol(symbol: Symbol, positions: Positions) -> types.DocumentSymbol:
    return types.DocumentSymbol(
        name=symbol.name,
        kind=_SYMBOLS[symbol.kind],
        range=range_of(positions, symbol.span),
        selection_range=range_of(positions, symbol.name_span),
        children=[document_symbol(inner, positions) for inner in symbol.inner],
    )


def token_data(tokens: Iterable[SemanticToken], positions: Positions) -> list[int]:
    """Five numbers for each token, the place relative to that of the one before."""
    data: list[int] = []
    line_before, column_before = 0, 0
    for token in tokens:
        line, column = positions.position(token.span.start)
        last_line, end = positions.position(token.span.end)
        if last_line != line:
            continue
        if line != line_before:
            column_before = 0
        modifiers = sum(1 << MODIFIERS.index(m) for m in token.modifiers)
        kind = TYPES.index(token.type)
        data += [line - line_before, column - column_before, end - column, kind, modifiers]
        line_before, column_before = line, column
    return data


def _markdown(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.Markdown, text)


def _plain(text: str) -> types.MarkupContent:
    return types.MarkupContent(types.MarkupKind.PlainText, text)
