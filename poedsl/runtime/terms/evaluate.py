"""Terms on tensors: every value has a row for each particle (or one for all) in front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.functions.constants import flatten
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, as_loop
from poedsl.compiler.plan.text import print_term
from poedsl.experts.protocol import TextReward
from poedsl.grammar.box_geometry import Box, as_box
from poedsl.runtime.terms.branches import chosen
from poedsl.runtime.terms.environment import Environment as Environment
from poedsl.runtime.terms.functions import WHOLE_NUMBERS, aligned, apply
from poedsl.runtime.terms.indices import gathered
from poedsl.runtime.terms.log_densities import event_logs, wide_enough
from poedsl.runtime.terms.loops import evaluate_loop
from poedsl.runtime.terms.slices import OutOfRange, of_axis, pixels, stretch
from poedsl.runtime.terms.text_functions import read_each, variable


def evaluate(term: Term, env: Environment) -> Float[Tensor, L * shape]:
    """The value of a term of numbers or conditions; what occurs in it repeatedly, as what a `let`
    names, is evaluated once.
    """
    if env.repeated is None:
        env = replace(env, repeated=dict.fromkeys(_repeated(term)))
    assert env.repeated is not None
    if id(term) not in env.repeated:
        return _evaluate(term, env)
    value: Tensor | None = env.repeated[id(term)]
    if value is None:
        value = env.repeated[id(term)] = _evaluate(term, env)
    return value


def _repeated(term: Term) -> set[int]:
    """The identities of applications that occur in a term more than once."""
    seen, repeated = set[int](), set[int]()
    pending = [term]
    while pending:
        inner = pending.pop()
        if not isinstance(inner, Apply):
            continue
        if id(inner) in seen:
            repeated.add(id(inner))
            continue
        seen.add(id(inner))
        pending += inner.args
        pending += [value for _, value in inner.kwargs]
    return repeated


def _evaluate(term: Term, env: Environment) -> Float[Tensor, L * shape]:
    match term:
        case Const() | Ref() | Apply("attribute"):
            value = tensor(value_of(term, env), env.device, env.dtype)
            return value.to(env.dtype) if value.dtype == torch.long else value
        case Apply() if env.rewards and term in env.rewards:
            subject = dict(term.kwargs)["subject"]
            reward = env.rewards[term]
            if isinstance(reward, TextReward):
                return reward.score(texts_of(subject, env))
            return reward(evaluate(subject, env))
        case Apply("log_prob", (density, subject)):
            return log_density(density, subject, env)
        case Apply("index" | "crop", (inner, *items)):
            return part(evaluate(inner, env), items, env)
        case Apply("where", (condition, first, second)):
            return chosen(condition, first, second, env, evaluate)
        case Apply("comprehension" | "scan") if loop := as_loop(term):
            return evaluate_loop(loop, env, evaluate)  # type: ignore[no-any-return]
        case Apply("contains" | "matches" | "length" as function, (subject, *args)):
            of = [value_of(a, env) for a in args]
            if variable(subject) not in env.vocabularies:
                return read(function, [value_of(subject, env), *of], env)
            return read_each(function, texts_of(subject, env), of, env)
        case Apply(function, args, kwargs):
            result: Tensor = apply(
                function,
                [_argument(function, i, a, env) for i, a in enumerate(args)],
                {name: _argument(function, name, a, env) for name, a in kwargs},
            )
            return result


def _argument(function: str, place: int | str, term: Term, env: Environment) -> Any:
    """An argument: a tensor, or a whole number that says how to compute."""
    if isinstance(term, Const) and (function, place) in WHOLE_NUMBERS:
        return term.value
    return evaluate(term, env)


def log_density(density: Term, subject: Term, env: Environment) -> Float[Tensor, L * events]:
    """The log density of the values of a term, for each event."""

    def value(inner: Term) -> Float[Tensor, L * shape]:
        return evaluate(inner, env)

    points = wide_enough(density, evaluate(subject, env), value)
    return event_logs(density, points, value).to(env.dtype)


def value_of(term: Term, env: Environment) -> Any:
    """What a term stands for, which may also be a text, a region or a record."""
    match term:
        case Const(value):
            return value
        case Ref(name):
            return env.values[name]
        case Apply("attribute", (inner, Const(str(name)))):
            record = value_of(inner, env)
            if not isinstance(record, Mapping) or name not in record:
                raise ValueError(f"there is no attribute `{name}` here")
            return record[name]
        case _:
            return evaluate(term, env)


def tensor(
    value: object, device: torch.device, dtype: torch.dtype = torch.float32
) -> Float[Tensor, L * shape]:
    """A constant with a leading row of one; tensors have their rows."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, (bool, int, float, tuple)):
        raise ValueError(f"{value!r} is not a number")
    kind = torch.bool if isinstance(flatten(value)[0], bool) else dtype
    return torch.tensor(_plain(value), dtype=kind, device=device)[None]


def _plain(value: object) -> object:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


# Parts.


def part(
    value: Float[Tensor, L * shape], items: Sequence[Term], env: Environment
) -> Float[Tensor, L * part]:
    """Indices and slices, frames of a video, or a box of a picture."""
    items = [_bounded(item, env) for item in items]
    if not any(_is_dynamic(item, env) for item in items):
        return value[(slice(None), *selection(items, tuple(value.shape[1:]), env))]
    cut: list[slice | int] = [slice(None)]
    indices: list[tuple[int, Tensor, Term]] = []
    place, at, dimensions = 1, 0, 1
    for item, size in zip(items, value.shape[1:], strict=False):
        if _is_dynamic(item, env):
            index = evaluate(item, env)
            at = at or (dimensions if index.dim() > 1 else 0)
            indices.append((place, index, item))
            cut.append(slice(None))
            place += 1
            continue
        cut.append(of_axis(item, size))
        kept = isinstance(cut[-1], slice)
        place, dimensions = place + kept, dimensions + kept
    return gathered(value[tuple(cut)], indices, at or 1)


def indexed(item: Term, env: Environment) -> Term:
    """An index or a slice with constants in place of what comes with data; a region as it is.

    Raises:
        OutOfRange: an index or an end is negative.
    """
    match item:
        case Apply("slice"):
            return _bounded(item, env)
        case Const() | Apply("box" | "frames" | "attribute"):
            return item
        case Ref(name) if not isinstance(env.values[name], Tensor) or env.values[name].dim() > 1:
            return item
        case _:
            return known_index(item, env)


def _bounded(item: Term, env: Environment) -> Term:
    """A slice with ends that are constants; another index as it is."""
    if not isinstance(item, Apply) or item.function != "slice":
        return item
    return replace(item, args=tuple(known_index(end, env) for end in item.args))


def known_index(term: Term, env: Environment) -> Const:
    """An index, or an end of a slice, that comes with data as a constant.

    Raises:
        OutOfRange: it is negative.
    """
    if isinstance(term, Const):
        return term
    number = round(float(evaluate(term, env)))
    if number < 0:
        raise OutOfRange(f"the index {number} of `{print_term(term)}` is below 0")
    return Const(number, term.span)


def _is_dynamic(item: Term, env: Environment) -> bool:
    """Whether an index comes with data or the elements of a loop, or is a vector of them."""
    match item:
        case Const(value):
            return isinstance(value, tuple)
        case Apply("slice" | "box" | "frames"):
            return False
        case Ref() | Apply("attribute"):
            value = value_of(item, env)
            return isinstance(value, Tensor)
        case _:
            return True


def selection(
    items: Sequence[Term], sizes: tuple[int, ...], env: Environment
) -> tuple[slice | int, ...]:
    """Where a part lies in a value of some sizes.

    Raises:
        ValueError: outside of them, or nowhere.
    """
    match items:
        case [Apply("frames", ends)]:
            return (stretch(ends, sizes[0], "frames"),)
        case [Ref() | Apply("box" | "attribute") as at]:
            left, top, right, bottom = region(at, env)
            *rest, height, width = sizes
            cut = pixels(height, top, bottom), pixels(width, left, right)
            return (*(slice(None) for _ in rest), *cut)
        case _:
            pairs = zip(items, sizes, strict=False)
            return tuple(of_axis(_bounded(i, env), size) for i, size in pairs)


def region(term: Term, env: Environment) -> Box:
    """The sides of a box.

    Raises:
        ValueError: they are not four fractions in order.
    """
    match term:
        case Apply("box", args):
            value: Any = [value_of(a, env) for a in args]
        case _:
            value = value_of(term, env)
    sides = value.flatten().tolist() if isinstance(value, Tensor) else [float(v) for v in value]
    box = as_box(sides)
    if box is not None:
        return box
    raise ValueError(f"a box is left, top, right and bottom in fractions, and this is {sides}")


# Text.


def read(function: str, values: list[Any], env: Environment) -> Float[Tensor, L * shape]:
    """A function of texts; of numbers there is their length alone."""
    if isinstance(values[0], Tensor) and function == "length":
        return tensor(values[0].shape[1], env.device, env.dtype)
    return read_each(function, values[:1], values[1:], env)


def texts_of(term: Term, env: Environment) -> list[str]:
    """The text of each particle's symbols.

    Raises:
        ValueError: they have no text.
    """
    vocabulary = env.vocabularies.get(variable(term))
    if vocabulary is None:
        raise ValueError("no expert says what these symbols are as text")
    return vocabulary.texts(evaluate(term, env).long())


def margins(term: Term, env: Environment) -> list[Float[Tensor, L * shape]] | None:
    """The inequalities of a condition, in their order, each by a margin positive where it holds.

    None where the condition is made of anything else.
    """
    match term:
        case Apply("not" | "all" | "any", (inner, *_)):
            return margins(inner, env)
        case Apply("and" | "or" | "list", args):
            parts = [margins(a, env) for a in args]
            return None if None in parts else [m for ms in parts for m in ms or ()]
        case Apply("<" | "<=", (a, b)):
            low, high = aligned([evaluate(a, env), evaluate(b, env)])
            return [high - low]
        case Apply(">" | ">=", (a, b)):
            high, low = aligned([evaluate(a, env), evaluate(b, env)])
            return [high - low]
        case _:
            return None
