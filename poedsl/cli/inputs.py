"""``poe inputs``: the inputs of a program, and where the value of each comes from."""

from __future__ import annotations

import typer

from poedsl.cli.open_plan import open_plan, show_warnings
from poedsl.cli.shared import ERRORS, DiagnosticForm, echo, printable
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.plan.text import declared_type, print_term


def list_inputs(
    file: str, bindings: list[str], data: list[str], strict: bool, form: DiagnosticForm
) -> None:
    """Print a line for each input; ends with 1 where one has no value."""
    plan, source = open_plan(file, bindings, data, [], strict, form)
    show_warnings(plan, source, form)
    rows = [
        (
            f"{i.name} : {declared_type(i, plan.spec.sizes)}",
            i.origin,
            value_shown(plan.spec, i.name),
        )
        for i in plan.spec.inputs
    ]
    widths = [max((len(row[k]) for row in rows), default=0) for k in range(2)]
    for row in rows:
        echo(printable("  ".join([*map(str.ljust, row[:2], widths), row[2]])))
    if any(row[2] == "no value" for row in rows):
        raise typer.Exit(ERRORS)


def value_shown(plan: PlanSpec, name: str) -> str:
    """The value of an input in a few words."""
    from poedsl.runtime.inputs.bind import inputs_without_value

    bound = dict(plan.bindings)
    if name in bound:
        value = bound[name]
        if isinstance(value, Array):
            return f"bound: {' x '.join(map(str, value.shape))} numbers"
        return f"bound: {print_term(Const(value))}"[:60]
    default = next(i.default for i in plan.inputs if i.name == name)
    missing = {i.name for i in inputs_without_value(plan)}
    if default is None:
        return "no value" if name in missing else "a size of other inputs"
    return f"default: {print_term(default)}"[:60]
