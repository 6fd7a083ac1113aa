"""``poe plan``: the plan of a program, or what a pass made of it."""

from __future__ import annotations

from typing import Any

import typer

from poedsl.catalog.profiles import Profile
from poedsl.cli.open_plan import guarded, is_plan, open_plan, pairs, show_warnings
from poedsl.cli.shared import ERRORS, OUTPUT, DiagnosticForm, echo, read_source, show, usage
from poedsl.compiler.compile import compile_source
from poedsl.compiler.plan.costs import has_networks
from poedsl.compiler.plan.text import declared_type
from poedsl.compiler.typecheck.option_text import read_options
from poedsl.compiler.views.emit import View, emit, emit_plan, read_view


def show_plan(
    file: str,
    bindings: list[str],
    data: list[str],
    sample: list[str],
    strict: bool,
    emitted: str,
    device: str,
    profile: str,
    form: DiagnosticForm,
) -> None:
    """Print the plan of a program, or what a pass made of it.

    Args:
        device, profile: with which its networks would be loaded.
    """
    from poedsl.runtime.inputs.bind import inputs_without_value
    from poedsl.runtime.inputs.profile_files import read_profile

    try:
        view = read_view(emitted)
    except ValueError as error:
        usage(f"--emit: {error}")
    if view.stage != "plan":
        show_stage(file, view, [*bindings, *data], sample, strict, form)
    else:
        plan, source = open_plan(file, bindings, data, sample, strict, form)
        show_warnings(plan, source, form)
        missing = inputs_without_value(plan.spec)
        if missing and view.form == "text" and not OUTPUT.quiet:
            listed = ", ".join(f"`{i.name} : {declared_type(i, plan.spec.sizes)}`" for i in missing)
            echo(f"note: inputs without a value: {listed}", err=True)
        if view.form == "json":
            plan = guarded(plan.with_default_files, form)
        weights = guarded(lambda: read_profile(profile, plan.base), form)
        echo(emit_plan(plan.spec, view.form, weights), end="")
        if view.form == "text" and has_networks(plan.spec):
            for line in guarded(lambda: memory(plan, device, weights), form):
                echo(f"# {line}")


def memory(plan: Any, device: str, profile: Profile) -> tuple[str, ...]:
    """What the networks of a plan take in memory, a line each.

    Raises:
        PoeError: there is no such device.
    """
    # Torch, which knows the devices, is loaded where there are networks.
    from poedsl.runtime.build.weight_memory import memory_lines
    from poedsl.runtime.core.run_settings import RunSettings

    settings = RunSettings(device=device, folder=plan.base, profile=profile)
    return tuple(memory_lines(plan.spec, settings))


def show_stage(
    file: str,
    view: View,
    bindings: list[str],
    sample: list[str],
    strict: bool,
    form: DiagnosticForm,
) -> None:
    """Print what a pass made of a program, even where a later one finds errors."""
    source, base = read_source(file)
    if is_plan(file, source):
        usage(f"{file} is a plan: what came before it is not there to be shown")
    if bindings:
        usage(f"values are bound to a plan: --set and --data do not go with --emit={view.stage}")
    options = guarded(lambda: read_options(pairs(sample, "--sample")), form)
    compiled = compile_source(source, strict=strict, options=options, base=base)
    notable = tuple(d for d in compiled.diagnostics if d.severity != "note")
    show(notable, source, form, err=True)
    output = guarded(lambda: emit(compiled, view), form)
    if output is not None:
        echo(output, end="")
    if not compiled.ok:
        raise typer.Exit(ERRORS)
