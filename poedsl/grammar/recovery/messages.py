"""The wording of syntax errors: what was found and what was expected, in a user's words."""

from __future__ import annotations

from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.logical_lines import CLOSERS, LineFault
from poedsl.grammar.recovery.common_mistakes import CHECKS
from poedsl.grammar.recovery.edits import clip
from poedsl.grammar.recovery.expected_tokens import expected, shape
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import Failure

#: How many open brackets are shown beside the innermost one.
MOST_SHOWN = 3


def explain(failure: Failure) -> Diagnostic:
    """The diagnostic for a word that the parser refused."""
    for check in CHECKS:
        if diagnostic := check(failure):
            return diagnostic
    early = failure.ended
    return Diagnostic(
        "P0102" if early else "P0101",
        "the statement ends too early" if early else f"unexpected {failure.word}",
        failure.word.span,
        here=f"expected {expected(failure)}",
        notes=shape(failure),
    )


def unclosed(brackets: tuple[Span, ...], end: int, text: str, edit: Edit | None) -> Diagnostic:
    """Brackets that nothing closes; ``edit`` closes them all, where that mends the statement."""
    *outer, bracket = brackets
    closers = closing(brackets, text)
    plural = len(brackets) > 1
    how = f"`{clip(closers)}` closes {'them' if plural else 'it'}"
    shown = outer[-MOST_SHOWN:]
    return Diagnostic(
        "P0104",
        f"{'these brackets are' if plural else 'this bracket is'} never closed",
        bracket,
        labels=(
            *(Label(span, "this one is open too") for span in shown),
            Label(Span(end, end), "the statement ends here"),
        ),
        notes=(f"{len(brackets)} brackets are open",) if len(shown) < len(outer) else (),
        fixes=(Fix(how, (edit,) if edit else ()),),
    )


def closing(brackets: tuple[Span, ...], text: str) -> str:
    return "".join(CLOSERS[text[b.start]] for b in reversed(brackets))


def open_text(span: Span, end: int) -> Diagnostic:
    """A text without a closing quote; one at ``end`` would close it."""
    return Diagnostic(
        "P0106",
        "this text has no closing quote",
        span,
        here="it ends with its line",
        fixes=(Fix('a `"` closes it', (_insert(end, '"'),)),),
    )


def mismatched_bracket(fault: LineFault, text: str) -> Diagnostic:
    """A bracket that does not come out even."""
    span = fault.span
    word = text[span.start : span.end]
    if fault.kind == "unclosed":
        closer = CLOSERS[word]
        return Diagnostic(
            "P0104",
            "this bracket is never closed",
            span,
            labels=(Label(Span(fault.at, fault.at + 1), "this one closes a bracket around it"),),
            fixes=(Fix(f"`{closer}` closes it", (_insert(fault.at, closer),)),),
        )
    if fault.partner is None:
        fix = Fix("the statement needs no such bracket", (Edit(span, ""),))
        return Diagnostic("P0105", f"`{word}` closes no bracket", span, fixes=(fix,))
    opener = text[fault.partner.start]
    closer = CLOSERS[opener]
    return Diagnostic(
        "P0105",
        f"`{word}` does not close `{opener}`",
        span,
        labels=(Label(fault.partner, "the open bracket"),),
        fixes=(Fix(f"`{opener}` is closed by `{closer}`", (Edit(span, closer),)),),
    )


def _insert(at: int, text: str) -> Edit:
    return Edit(Span(at, at), text)


def continued(end: int, rest: Span, statement: tree.Statement) -> Diagnostic:
    """A statement that goes on below its line, without a bracket that is open."""
    match statement:
        case tree.Factor(product=value) | tree.Let(value=value) | tree.Input(default=value):
            part = value
        case tree.ExpertDefinition(body=value):
            part = value
        case _:
            part = None
    edits: tuple[Edit, ...] = ()
    if part is not None and part.span.start < end < part.span.end:
        edits = (_insert(part.span.start, "("), _insert(part.span.end, ")"))
    return Diagnostic(
        "P0102",
        "the statement ends too early",
        Span(end, end),
        labels=(Label(rest, "this goes on with it"),),
        notes=("a line runs on inside brackets, and only there",),
        fixes=(Fix("brackets make one line of them", edits, "safe"),) if edits else (),
    )


def indented(indent: Span, statement: Span) -> Diagnostic:
    """Indentation where no block can begin."""
    return Diagnostic(
        "P0113",
        "unexpected indentation",
        statement,
        notes=("only the block of a `for` is indented",),
        fixes=(Fix("the line begins where the one above begins", (Edit(indent, ""),)),),
    )


def uneven(statement: Span, mixed: bool) -> Diagnostic:
    """Indentation that is that of no block above."""
    return Diagnostic(
        "P0113",
        "this line is indented like no block above it",
        statement,
        notes=("tabs and spaces do not mix",) if mixed else (),
    )


def no_block(header: Span, next_line: int | None) -> Diagnostic:
    """A ``for`` with nothing below it."""
    edits = () if next_line is None else (_insert(next_line, "    "),)
    return Diagnostic(
        "P0114",
        "this `for` has no block",
        header,
        notes=("the statements of the block are indented below the header",),
        fixes=(Fix("the next line belongs to it when indented", edits),) if edits else (),
    )


def no_expression(at: int) -> Diagnostic:
    return Diagnostic("P0102", "an expression is missing", Span(at, at))
