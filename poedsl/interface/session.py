"""Interactive sessions, as in `poe repl`, for notebooks and editors.

session = Session()
session.feed("x ~ Normal(0, 1) * Normal(2, 1)")     # Reply("variable x : Real")
session.feed("x ~ where(")                          # Incomplete(): there is more to come
session.feed("x ~ Normal(0, mu)")                   # Diagnostics: the program stays as it was
session.feed("%run particles=500").value            # the result
"""

from __future__ import annotations

from dataclasses import replace
from textwrap import dedent

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.parsing.incomplete import is_incomplete
from poedsl.interface.commands import run_command
from poedsl.interface.interactive_program import InteractiveProgram
from poedsl.interface.replies import Diagnostics, Incomplete, Reply


class Session(InteractiveProgram):
    """An `InteractiveProgram` that is fed lines of text: statements, expressions and commands."""

    def feed(self, text: str, *, last: bool = False) -> Incomplete | Reply | Diagnostics:
        """Add statements, evaluate an expression or run a command.

        Args:
            last: whether no more text follows, so that an incomplete statement is an error.
        """
        try:
            if text.lstrip().startswith("%"):
                return run_command(self, text.strip()[1:])
            if not last and self.is_incomplete(text):
                return Incomplete()
            return self.add(dedent(text.removeprefix("\ufeff")))
        except PoeError as error:
            return Diagnostics(tuple(map(_as_commands, error.diagnostics)), error.source)
        except RecursionError:
            return Diagnostics((Diagnostic("P0506", "an expression is nested too deeply"),))

    def is_incomplete(self, text: str) -> bool:
        """Whether a statement continues in the next line; a blank line ends a block."""
        if text.lstrip().startswith("%"):
            return False
        text = dedent(text)
        return is_incomplete(text) or is_incomplete(f"let value = {text}")


def _as_commands(d: Diagnostic) -> Diagnostic:
    """A diagnostic whose advice for the command line is given as commands of a session."""
    return replace(d, notes=tuple(n.replace("`--set ", "`%set ") for n in d.notes))
