"""Sizes that a program leaves open: what bound conditions say they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Ref
from poedsl.runtime.terms.evaluate import Environment, value_of
from poedsl.runtime.terms.refusals import factor_at, refused

Sizes = tuple[int | None, ...]


def shapes(
    plan: PlanSpec,
    factors: Sequence[FactorSpec],
    env: Environment,
    native: Callable[[Apply], tuple[int, int] | None],
    length: Callable[[FactorSpec], int | None] = lambda factor: None,
) -> dict[str, tuple[int, ...]]:
    """The shape of every variable; open heights and widths are those of its experts' conditions,
    or else of the pictures that its first model was trained on; the open size of a vector is that
    of the first density that knows.

    Args:
        native: height and width of the pictures that a model was trained on.
        length: how many components a density is over.

    Raises:
        PoeError: a size stays open, or a condition has another one.
    """
    out: dict[str, tuple[int, ...]] = {}
    for variable in plan.variables:
        sizes = () if variable.type.name == "Category" else variable.type.sizes
        for factor in factors:
            if factor.variables[0] == variable.name and factor.part is None:
                for parameter, condition_sizes in aligned(plan, factor, env):
                    sizes = _filled(variable, sizes, parameter, condition_sizes, factor)
        if None in sizes:
            sizes = _trained(variable, sizes, factors, native)
        if sizes == (None,):
            on_whole = (f for f in factors if f.variables[0] == variable.name and f.part is None)
            lengths = (n for f in on_whole if f.kind == "density" and (n := length(f)) is not None)
            sizes = (next(lengths, None),)
        if None in sizes:
            raise refused(
                "P0309",
                f"the sizes of `{variable.name} : {variable.type}` are open, and no condition of "
                "its experts says what they are",
                f"write them down, as in `{variable.name} : {_example(variable)}`",
            )
        out[variable.name] = tuple(s for s in sizes if s is not None)
    return out


def _trained(
    variable: VariableSpec,
    sizes: Sizes,
    factors: Sequence[FactorSpec],
    native: Callable[[Apply], tuple[int, int] | None],
) -> Sizes:
    """Sizes with open ones as a model on the whole was trained."""
    for factor in factors:
        whole = factor.variables[0] == variable.name and factor.part is None
        if whole and factor.kind == "flow" and isinstance(factor.term, Apply):
            native_sizes = native(factor.term)
            if native_sizes is not None and variable.type.name == "Image":
                return tuple(
                    b if a is None else a for a, b in zip(sizes, (None, *native_sizes), strict=True)
                )
    return sizes


def aligned(
    plan: PlanSpec, factor: FactorSpec, env: Environment
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The conditions of a model that are as high and wide as what it is over, with their sizes."""
    if factor.kind != "flow" or not isinstance(factor.term, Apply):
        return
    signature = plan.signature(factor.term.function)
    for name, term in factor.term.kwargs:
        parameter = signature.parameter(name)
        value = value_of(term, env) if parameter is not None and parameter.aligned else None
        if isinstance(value, Tensor):
            shown = f" (`{term.name}`)" if isinstance(term, Ref) else ""
            yield f"`{name}` of {factor_at(factor)}{shown}", tuple(value.shape[1:])


def fits(plan: PlanSpec, factor: FactorSpec, shape: tuple[int, ...], env: Environment) -> None:
    """Whether the conditions of a model have the height and width of the part that it sees, and
    films of them its frames.

    Raises:
        PoeError: one has others.
    """
    subject = f"`{factor.variables[0]}`"
    for parameter, condition_sizes in aligned(plan, factor, env):
        films = len(condition_sizes) == 3 and len(shape) == 4
        if condition_sizes[-2:] != shape[-2:] or (films and condition_sizes[0] != shape[0]):
            part = subject if factor.part is None else f"the part of {subject} that it sees"
            raise _clash(parameter, condition_sizes, part, shape)


def _filled(
    variable: VariableSpec, sizes: Sizes, parameter: str, condition_sizes: Sizes, factor: FactorSpec
) -> Sizes:
    """Sizes with the open ones taken from a condition: height and width, and frames of films."""
    films = len(sizes) == 4 and len(condition_sizes) == 3
    expected = (
        (condition_sizes[0], sizes[1], *condition_sizes[1:])
        if films
        else (*sizes[:-2], *condition_sizes[-2:])
    )
    pairs = zip(sizes, expected, strict=True)
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        raise _clash(parameter, condition_sizes, f"`{variable.name}`", sizes)
    return tuple(b if a is None else a for a, b in zip(sizes, expected, strict=True))


def _clash(parameter: str, condition_sizes: Sizes, subject: str, sizes: Sizes) -> Exception:
    films = len(condition_sizes) == 3
    measures = "frames, the height and the width" if films else "height and width"
    return refused(
        "P0603",
        f"{parameter} has the {measures} of what it is for: {subject} is {_by(sizes)}, and "
        f"this is {_by(condition_sizes)}",
        "`crop(x, box)` takes a part, `resize(x, height, width)` changes sizes",
    )


def _by(sizes: Sizes) -> str:
    return " x ".join("_" if s is None else str(s) for s in sizes)


def _example(variable: VariableSpec) -> str:
    sizes = variable.type.sizes
    filled = (480 if s is None else s for s in sizes)
    return f"{variable.type.name}[{', '.join(map(str, filled))}]"
