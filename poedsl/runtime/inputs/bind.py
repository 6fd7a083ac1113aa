"""Values for a plan's inputs, checked against their types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from poedsl.compiler.names.suggestions import similar_name
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import InputSpec
from poedsl.compiler.plan.terms import Const, Ref, names
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.errors import PoeError
from poedsl.grammar.types import FROM_FILES
from poedsl.runtime.inputs.convert import UnfitValue, convert, kept
from poedsl.runtime.inputs.data import DataSource, merged
from poedsl.runtime.inputs.sizes import inferred_sizes, size_value, with_sizes


def bind(
    plan: PlanSpec,
    values: Mapping[str, Any],
    base: Path | None = None,
    sources: Sequence[DataSource] = (),
) -> PlanSpec:
    """The plan with values for some of its inputs.

    Args:
        values: by name: numbers, lists, tensors, arrays, data frames, PIL images and lists of them,
            text, layouts as lists of records; a `pathlib.Path`, or a text for types that are bound
            from files, names a file or a folder of frames.
        base: the folder that file names are relative to.
        sources: data for many inputs, used for those without a value among ``values``.

    Raises:
        PoeError: with every value that cannot be bound.
    """
    specs = {i.name: i for i in plan.inputs}
    problems: list[Diagnostic] = []
    bound = dict(plan.bindings)
    by_name = {name: (value, base, "") for name, value in values.items()}
    for name, (value, folder, source) in {**merged(plan, sources), **by_name}.items():
        if name not in specs:
            problems.append(_unknown(name, specs))
            continue
        try:
            bound[name] = convert(specs[name], value, folder)
        except UnfitValue as error:
            diagnostic = error.diagnostic
            notes = (f"the value is that of {source}",) if source not in ("", error.table) else ()
            problems.append(replace(diagnostic, notes=(*notes, *diagnostic.notes)))
    if problems:
        raise PoeError(tuple(problems))
    return replace(plan, bindings=tuple((n, bound[n]) for n in specs if n in bound))


def bind_defaults(plan: PlanSpec, base: Path | None = None) -> PlanSpec:
    """The plan with every input bound: those that are not yet take their defaults, or are sizes of
    others; variables have the sizes that inputs say.

    Raises:
        PoeError: with every input that has neither, or sizes disagree (P0603).
    """
    if missing := inputs_without_value(plan):
        raise PoeError(tuple(_unbound(i) for i in missing))
    bound = bind(plan, {**unbound_defaults(plan), **data_left_out(plan)}, base)
    inferred = inferred_sizes(bound)
    bound = bind(bound, {name: value for name, (value, _) in inferred.items()})
    return with_sizes(bound, inferred)


def data_left_out(plan: PlanSpec) -> dict[str, Any]:
    """Zeros for data that a run of the prior does not read, where their sizes are known."""
    if not plan.prior:
        return {}
    bound = {**dict(plan.bindings), **unbound_defaults(plan)}
    observed = {name for f in plan.factors if f.observed is not None for name in names(f.observed)}
    read = {name for f in plan.sampled.factors for name in names(f.term)}
    read |= {name for c in plan.lets for name in names(c.term)}
    read |= {name for s in plan.sizes for name in names(s.term)}
    out: dict[str, Any] = {}
    for spec in plan.inputs:
        if spec.name in observed - read - bound.keys():
            terms = {s.axis: s.term for s in plan.sizes if s.name == spec.name}
            sizes = [
                size_value(terms[k], bound) if size is None and k in terms else size
                for k, size in enumerate(spec.type.sizes)
            ]
            if all(isinstance(size, int) and size >= 0 for size in sizes):
                out[spec.name] = _zeros(sizes)
    return out


def _zeros(sizes: Sequence[Any]) -> Any:
    return [_zeros(sizes[1:])] * sizes[0] if sizes else 0


def inputs_without_value(plan: PlanSpec) -> list[InputSpec]:
    """The inputs that have neither a value nor a default, and are no size of one that has."""
    bound = {name for name, _ in plan.bindings} | unbound_defaults(plan).keys()
    bound |= data_left_out(plan).keys()
    bound |= {s.term.name for s in plan.sizes if s.name in bound and isinstance(s.term, Ref)}
    return [i for i in plan.inputs if i.name not in bound]


def unbound_defaults(plan: PlanSpec) -> dict[str, Any]:
    """The defaults of the inputs that are not bound, by name."""
    bound = dict(plan.bindings)
    return {
        i.name: i.default.value
        for i in plan.inputs
        if i.name not in bound and isinstance(i.default, Const)
    }


def bind_default_files(plan: PlanSpec, base: Path | None = None) -> PlanSpec:
    """The plan with the content of the files that are defaults, so that it does not need them.

    Inputs of type File stand for a path and stay as they are.

    Raises:
        PoeError: with every file that cannot be read.
    """
    embedded = {i.name for i in plan.inputs if i.type.name in FROM_FILES - {"File"}}
    defaults = unbound_defaults(plan)
    return bind(plan, {n: v for n, v in defaults.items() if n in embedded}, base)


def rebound(plan: PlanSpec) -> PlanSpec:
    """The plan, its bindings held to the types of its inputs; no file is read.

    Raises:
        PoeError: with every binding that is not what `bind` makes of a value.
    """
    specs = {i.name: i for i in plan.inputs}
    problems: list[str] = []
    for name, value in plan.bindings:
        spec = specs[name]
        try:
            if kept(spec, value) != value:
                problems.append(f"at `bindings.{name}`, this is no value of `{name} : {spec.type}`")
        except UnfitValue as error:
            problems.append(f"at `bindings.{name}`, {error.diagnostic.message}")
    if problems:
        raise PoeError(tuple(Diagnostic("P0606", problem) for problem in problems))
    return plan


def _unknown(name: str, specs: Mapping[str, InputSpec]) -> Diagnostic:
    similar = similar_name(name, specs)
    fixes = () if similar is None else (Fix(f"there is an input with a similar name: `{similar}`"),)
    listed = ", ".join(f"{i.name} : {i.type}" for i in specs.values()) or "none"
    return Diagnostic(
        "P0605", f"the program has no input `{name}`", notes=(f"its inputs: {listed}",), fixes=fixes
    )


def _unbound(spec: InputSpec) -> Diagnostic:
    how = f"--set {spec.name}=@FILE" if spec.type.name in FROM_FILES else f"--set {spec.name}=VALUE"
    where = {
        "declared": "declared",
        "inferred": "a name without a declaration",
        "ambient": "taken from the surroundings by an expert",
    }
    return Diagnostic(
        "P0601",
        f"the input `{spec.name} : {spec.type}` has no value",
        notes=(
            f"{where[spec.origin]} at {spec.place}",
            f"give it one with `{how}`, in a file of `--data FILE`, or in Python with "
            f"`plan.bind({spec.name}=...)`",
        ),
    )
