"""Words that the grammar admits and the language does not, reported while the tree is built."""

from __future__ import annotations

from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.recovery.edits import insert
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import CONSTANTS


class InvalidWord(Exception):
    """A word that the grammar admits and the language does not."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


FOREIGN_CONSTANTS = {
    word: constant for constant in CONSTANTS for word in (constant.capitalize(), constant.upper())
}


def foreign_constant(word: str, span: Span) -> Diagnostic:
    constant = FOREIGN_CONSTANTS[word]
    fix = Fix(f"the constant is written `{constant}`", (Edit(span, constant),), "safe")
    return Diagnostic("P0110", f"`{word}` is a keyword in the wrong case", span, fixes=(fix,))


def long_number(span: Span) -> Diagnostic:
    return Diagnostic("P0115", "this number has too many digits", span)


def unknown_escape(escape: str, span: Span) -> Diagnostic:
    return Diagnostic(
        "P0107",
        f"unknown escape `{escape}`",
        span,
        notes=('the escapes are `\\"`, `\\\\`, `\\n` and `\\t`',),
        fixes=(Fix("a backslash itself is written twice", (insert(span.start, "\\"),)),),
    )
