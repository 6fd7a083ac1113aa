"""Programs in the cells of a notebook: ``%load_ext poedsl``, then ``%%poe NAME`` above a program.

This module needs IPython, which the extra ``notebook`` installs.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.display import display

from poedsl.api import compile
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.source import Source
from poedsl.interface.option_text import assignments
from poedsl.interface.replies import Diagnostics
from poedsl.plan import Plan

#: A word of the line, in which a text in quotes may have blanks.
_WORD = re.compile(r"""(?:[^\s"']|"[^"]*"|'[^']*')+""")
_INPUT = re.compile(r"([A-Za-z_]\w*)=(?!=)(.+)", re.DOTALL)


class CellError(PoeError):
    """A cell that did not run; a notebook shows what is wrong, and no traceback."""

    def _render_traceback_(self) -> list[str]:
        count = sum(d.is_error for d in self.diagnostics)
        return [f"poe: {count} error{'s' if count != 1 else ''}; the cell has no result"]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%poe: {message}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="%%poe", add_help=False, allow_abbrev=False)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--run", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--profile", default="default")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--microbatch", type=int, default=None)
    parser.add_argument("--sample", action="append", default=[])
    parser.add_argument("--strict", action="store_true")
    parser.add_argument("--allow-code", action="store_true")
    return parser


@magics_class
class PoeMagics(Magics):
    """The cell magic ``%%poe``."""

    @cell_magic
    def poe(self, line: str, cell: str) -> None:
        """Compile the program of the cell, and with --run run it.

            %%poe [NAME] [--run] [--seed N] [--profile P] [--device D] [--dtype T]
                  [--microbatch N] [--sample OPTION=VALUE] [--strict] [--allow-code]
                  [INPUT=EXPRESSION ...]

        NAME becomes the plan, or with --run the result. An input without a default has the value of
        the notebook's variable of its name; INPUT=EXPRESSION gives it another one, a Python
        expression without blanks outside of quotes. The options are those of `poe run`.
        """
        settings = _parser().parse_intermixed_args(_WORD.findall(line))
        inputs = {m[1]: m[2] for w in settings.words if (m := _INPUT.fullmatch(w))}
        names = [w for w in settings.words if not _INPUT.fullmatch(w)]
        if len(names) > 1 or not all(n.isidentifier() for n in names):
            raise UsageError(
                f"%%poe: one name for the result, and then INPUT=VALUE: {line.strip()}"
            )
        shown: Any
        try:
            plan = compile(_program(cell), strict=settings.strict, allow_code=settings.allow_code)
            plan = plan.bind(**self._inputs(plan, inputs))
            _show_warnings(plan, cell)
            shown = _run(plan, settings) if settings.run else plan
        except PoeError as error:
            raise _shown(error) from None
        if names:
            assert self.shell is not None
            self.shell.user_ns[names[0]] = shown
        display(shown)  # type: ignore[no-untyped-call]

    def _inputs(self, plan: Plan, texts: dict[str, str]) -> dict[str, Any]:
        """Values for inputs: what the line gives, and for those without a default variables."""
        assert self.shell is not None
        variables = self.shell.user_ns
        values = {
            i.name: variables[i.name]
            for i in plan.spec.inputs
            if i.default is None and i.name in variables
        }
        evaluate: Callable[[str], Any] = self.shell.ev
        return values | {name: evaluate(text) for name, text in texts.items()}


def _program(cell: str) -> str:
    """The text of a program, also where one line of it looks like the name of a file."""
    return cell if cell.endswith("\n") else f"{cell}\n"


def _run(plan: Plan, settings: argparse.Namespace) -> Any:
    options: dict[str, Any] = {}
    for text in settings.sample:
        options |= assignments(text)
    return plan.run(
        seed=settings.seed,
        device=settings.device,
        dtype=settings.dtype,
        microbatch=settings.microbatch,
        profile=settings.profile,
        **options,
    )


def _show_warnings(plan: Plan, cell: str) -> None:
    warnings = tuple(d for d in plan.diagnostics if d.severity == "warning")
    if warnings:
        _show(Diagnostics(warnings, Source(_program(cell), "<cell>")))


def _shown(error: PoeError) -> CellError:
    """Show an error, and return it without its traceback."""
    diagnostics = tuple(map(_for_notebooks, error.diagnostics))
    source = replace(error.source, name="<cell>") if error.source.text else error.source
    _show(Diagnostics(diagnostics, source))
    return CellError(diagnostics, source)


def _show(diagnostics: Diagnostics) -> None:
    bundle = {"text/plain": str(diagnostics), "text/html": diagnostics._repr_html_()}
    display(bundle, raw=True)  # type: ignore[no-untyped-call]


def _for_notebooks(d: Diagnostic) -> Diagnostic:
    """A diagnostic whose advice for the command line is given as arguments of the magic."""
    return replace(d, notes=tuple(n.replace("`--set ", "`%%poe ... ") for n in d.notes))


def load(shell: InteractiveShell) -> None:
    """Register the magic, as ``%load_ext poedsl`` does."""
    shell.register_magics(PoeMagics)
