"""What a plan needs and this release or this machine does not have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from poedsl.catalog.adapters import find_loras
from poedsl.catalog.weights import find_model
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Const
from poedsl.compiler.plan.text import print_term
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.program_files import is_folder
from poedsl.runtime.build.models import Models


def runnable(models: Models) -> None:
    """Whether this release can run a plan's experts, their weights are here, and its options run.

    Raises:
        PoeError: with every expert that it knows by its signature alone, every model that is not
            here, or every such option.
    """
    plan = models.plan
    missing = (*_missing(plan), *_absent(models)) or tuple(_unavailable(plan))
    if missing:
        raise PoeError(missing)


def _absent(models: Models) -> Iterator[Diagnostic]:
    """What has no weights on this machine."""
    reported: set[tuple[str, str]] = set()
    for call, where in models.plan.calls():
        signature = models.plan.find_signature(call.function)
        if signature is None or not signature.implementation:
            continue
        for parameter, name in models.weights(signature, dict(call.kwargs)):
            if (signature.name, name) in reported:
                continue
            reported.add((signature.name, name))
            try:
                if parameter == "lora":
                    find_loras(signature.name, name, models.base)
                else:
                    find_model(signature.name, name, models.base, parameter)
            except PoeError as error:
                yield from (replace(d, notes=(where, *d.notes)) for d in error.diagnostics)


def _missing(plan: PlanSpec) -> Iterator[Diagnostic]:
    reported: set[tuple[str, str]] = set()
    for call, where in plan.calls():
        signature = plan.find_signature(call.function)
        if signature is None or signature.implementation or signature.family == "density":
            continue
        chosen = dict(call.kwargs).get("model", Const(signature.model or None))
        model = chosen.value if isinstance(chosen, Const) and chosen.value else ""
        if (signature.name, str(model)) in reported:
            continue
        reported.add((signature.name, str(model)))
        yield Diagnostic(
            "P0703",
            f"this release knows what `{signature.name}` takes, but cannot run it",
            notes=(
                where,
                *((_fetched(str(model)),) if model else ()),
                "`poe experts` shows which experts run",
            ),
        )


def _fetched(model: str) -> str:
    """Which weights an expert has, and how they are had."""
    if "/" in model and not is_folder(model):
        return f"its model is {model}: `hf download {model}` fetches the weights"
    return f"its model is {model}"


def _unavailable(plan: PlanSpec) -> Iterator[Diagnostic]:
    for chosen in plan.options:
        option = OPTIONS[chosen.name]
        if not option.forms or not isinstance(chosen.value, Apply):
            continue
        form = option.form(chosen.value.function)
        if form is None or not form.available:
            shown = f"{chosen.name} = {print_term(chosen.value)}"
            yield Diagnostic("P0709", f"this release plans `{shown}`, but cannot run it")
