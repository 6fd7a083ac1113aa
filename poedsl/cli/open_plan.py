"""Plans that commands work on: compiled from a program, or read from a plan's JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import typer

from poedsl.api import load
from poedsl.cli.shared import ERRORS, DiagnosticForm, read_source, show, usage
from poedsl.compiler.compile import compile_source
from poedsl.compiler.typecheck.option_text import read_options
from poedsl.grammar.errors import PoeError
from poedsl.grammar.source import Source
from poedsl.interface.input_values import read_value
from poedsl.plan import Plan

T = TypeVar("T")


def is_plan(file: str, source: Source) -> bool:
    """Whether a file holds a plan's JSON, and not a program."""
    return file.endswith(".json") or source.text.lstrip("\ufeff \t\r\n").startswith("{")


def show_warnings(plan: Any, source: Source, form: DiagnosticForm) -> None:
    """The warnings of a program that has no errors."""
    warnings = tuple(d for d in plan.diagnostics if d.severity == "warning")
    show(warnings, source, form, err=True)


def open_plan(
    file: str,
    bindings: list[str],
    data: list[str],
    sample: list[str],
    strict: bool,
    form: DiagnosticForm,
) -> tuple[Any, Source]:
    """The plan of a program or of a plan's JSON, with what the command line gives, and its text."""
    source, base = read_source(file)
    options = guarded(lambda: read_options(pairs(sample, "--sample")), form)
    if is_plan(file, source):
        plan = guarded(lambda: replace(load(source.text), base=base), form)
        if options:
            shown = {k: v for k, v in pairs(sample, "--sample").items()}
            plan = guarded(lambda: plan.with_options(**shown), form)
    else:
        compiled = compile_source(source, strict=strict, options=options, base=base)
        if compiled.plan is None:
            errors = tuple(d for d in compiled.diagnostics if d.is_error)
            show(errors, source, form, err=True)
            raise typer.Exit(ERRORS)
        plan = Plan(compiled.plan, base, compiled.diagnostics)
    return guarded(lambda: plan.bind(*data, **values(plan, bindings)), form), source


def values(plan: Any, bindings: list[str]) -> dict[str, Any]:
    """Values of ``--set``: text for text, a path after ``@``, else JSON."""
    types = {i.name: i.type.name for i in plan.spec.inputs}
    texts = pairs(bindings, "--set").items()
    return {name: read_value(text, types.get(name, "")) for name, text in texts}


def pairs(items: list[str], option: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            usage(f"{option} takes NAME=VALUE, and this is {item!r}")
        out[name.strip()] = value.strip()
    return out


def guarded(work: Callable[[], T], form: DiagnosticForm, code: int = ERRORS) -> T:
    """Do it; diagnostics are shown, and end the command."""
    try:
        return work()
    except PoeError as error:
        show(error.diagnostics, error.source, form, err=True)
        raise typer.Exit(code) from error
