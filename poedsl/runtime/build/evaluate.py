"""Terms on tensors: every value has a row for each particle (or one for all) in front."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor

from poedsl.compiler.functions.table import FUNCTIONS, flatten
from poedsl.compiler.plan.terms import CHAINS, Apply, Const, Ref, Term
from poedsl.experts.protocol import Reward
from poedsl.experts.sequences.vocabulary import Words

#: Left, top, right and bottom, in fractions of width and height.
Box = tuple[float, float, float, float]


def _counted(x: Tensor) -> Tensor:
    """Conditions as ones and zeros."""
    return x.float() if x.dtype == torch.bool else x


_ELEMENTWISE: dict[str, Callable[..., Tensor]] = {
    "+": torch.add,
    "-": torch.sub,
    "*": torch.mul,
    "/": torch.div,
    "^": torch.pow,
    "neg": torch.neg,
    "<": torch.lt,
    "<=": torch.le,
    ">": torch.gt,
    ">=": torch.ge,
    "==": torch.eq,
    "!=": torch.ne,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "abs": torch.abs,
    "sign": torch.sign,
    "floor": torch.floor,
    "round": torch.round,
    "min": torch.minimum,
    "max": torch.maximum,
    "clamp": torch.clamp,
    "sqrt": torch.sqrt,
    "exp": torch.exp,
    "log": torch.log,
    "sin": torch.sin,
    "cos": torch.cos,
    "tan": torch.tan,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
}
_REDUCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "sum": lambda x: _counted(x).sum(-1),
    "prod": lambda x: x.prod(-1),
    "mean": lambda x: _counted(x).mean(-1),
    "var": lambda x: x.var(-1, correction=0),
    "std": lambda x: x.std(-1, correction=0),
    "norm": lambda x: x.norm(dim=-1),
    "min": lambda x: x.amin(-1),
    "max": lambda x: x.amax(-1),
    "all": lambda x: x.all(-1),
    "any": lambda x: x.any(-1),
}


@dataclass(frozen=True, slots=True)
class Environment:
    """Values of names, and the judges behind calls.

    Attributes:
        values: tensors, (L, ...) for variables and (1, ...) for inputs; texts; regions, four
            fractions each; records of these by attribute, for what sources return and for parts of
            layouts.
        rewards: a judge for each call of a reward, by the call itself.
        words: what the symbols of a variable say, where they say anything.
    """

    values: dict[str, Any]
    rewards: dict[Term, Reward]
    device: torch.device
    words: dict[str, Words] = field(default_factory=dict)

    def with_values(self, values: Mapping[str, Any]) -> Environment:
        return replace(self, values={**self.values, **values})


def evaluate(term: Term, env: Environment) -> Float[Tensor, L * shape]:
    """The value of a term of numbers or conditions."""
    match term:
        case Const() | Ref() | Apply("attribute"):
            value = tensor(known(term, env), env.device)
            return value.float() if value.dtype == torch.long else value
        case Apply() if term in env.rewards:
            subject = dict(term.kwargs)["subject"]
            judge: Callable[[Any], Tensor] = env.rewards[term]
            reads = getattr(judge, "reads", False)
            return judge(spoken(subject, env) if reads else evaluate(subject, env))
        case Apply("index" | "crop", (inner, *items)):
            return part(evaluate(inner, env), items, env)
        case Apply("contains" | "matches" | "length" as function, (subject, *args)):
            of = [known(a, env) for a in args]
            if variable(subject) not in env.words:
                return read(function, [known(subject, env), *of], env)
            return read_each(function, spoken(subject, env), of, env)
        case Apply(function, args):
            return _apply(function, [evaluate(a, env) for a in args])


def known(term: Term, env: Environment) -> Any:
    """What a term stands for, which may also be a text, a region or a record."""
    match term:
        case Const(value):
            return value
        case Ref(name):
            return env.values[name]
        case Apply("attribute", (inner, Const(str(name)))):
            record = known(inner, env)
            if not isinstance(record, Mapping) or name not in record:
                raise ValueError(f"there is no attribute `{name}` here")
            return record[name]
        case _:
            return evaluate(term, env)


def tensor(value: object, device: torch.device) -> Float[Tensor, L * shape]:
    """A constant with a leading row of one; tensors have their rows."""
    if isinstance(value, Tensor):
        return value
    if not isinstance(value, (bool, int, float, tuple)):
        raise ValueError(f"{value!r} is not a number")
    kind = torch.bool if isinstance(flatten(value)[0], bool) else torch.float32
    return torch.tensor(_plain(value), dtype=kind, device=device)[None]


def _plain(value: object) -> object:
    return [_plain(v) for v in value] if isinstance(value, tuple) else value


def _apply(function: str, args: list[Tensor]) -> Float[Tensor, L * shape]:
    if function in _REDUCTIONS and len(args) == 1:
        return _REDUCTIONS[function](args[0].reshape(len(args[0]), -1))
    if function in CHAINS:
        return reduce(_ELEMENTWISE[function], aligned(args))
    if function in _ELEMENTWISE:
        return _ELEMENTWISE[function](*aligned(args))
    if function in _OTHERS:
        return _OTHERS[function](*args)
    if function == "list":
        return torch.stack(_together(args), 1)
    raise ValueError(f"`{function}` has no value here")


def aligned(values: list[Tensor]) -> list[Tensor]:
    """Own shapes aligned at their ends, as NumPy would, the row of particles staying in front."""
    rank = max(v.dim() for v in values)
    return [v.view(v.shape[0], *(1,) * (rank - v.dim()), *v.shape[1:]) for v in values]


def _together(values: Sequence[Tensor]) -> list[Tensor]:
    """Values with as many rows each."""
    rows = max(len(v) for v in values)
    return [v.expand(rows, *v.shape[1:]) for v in values]


# Parts.


def part(
    value: Float[Tensor, L * shape], items: Sequence[Term], env: Environment
) -> Float[Tensor, L * part]:
    """Indices and slices, frames of a video, or a box of a picture."""
    return value[(slice(None), *selection(items, tuple(value.shape[1:]), env))]


def selection(
    items: Sequence[Term], sizes: tuple[int, ...], env: Environment
) -> tuple[slice | int, ...]:
    """Where a part lies in a value of some sizes.

    Raises:
        ValueError: outside of them, or nowhere.
    """
    match items:
        case [Apply("frames", ends)]:
            return (_stretch(ends, sizes[0], "frames"),)
        case [Ref() | Apply("box" | "attribute") as at]:
            left, top, right, bottom = region(at, env)
            *rest, height, width = sizes
            cut = _pixels(height, top, bottom), _pixels(width, left, right)
            return (*(slice(None) for _ in rest), *cut)
        case _:
            return tuple(_at(i, size) for i, size in zip(items, sizes, strict=False))


def region(term: Term, env: Environment) -> Box:
    """The sides of a box.

    Raises:
        ValueError: they are not four fractions in order.
    """
    match term:
        case Apply("box", args):
            value: Any = [known(a, env) for a in args]
        case _:
            value = known(term, env)
    sides = value.flatten().tolist() if isinstance(value, Tensor) else [float(v) for v in value]
    if len(sides) == 4:
        left, top, right, bottom = sides
        if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
            return left, top, right, bottom
    raise ValueError(f"a box is left, top, right and bottom in fractions, and this is {sides}")


def _pixels(size: int, first: float, last: float) -> slice:
    """The pixels between two fractions."""
    pixels = slice(round(first * size), round(last * size))
    if pixels.start == pixels.stop:
        raise ValueError(f"a box from {first:g} to {last:g} holds none of {size} pixels")
    return pixels


def _at(item: Term, size: int) -> slice | int:
    if isinstance(item, Apply) and item.function == "slice":
        return _stretch(item.args, size, "elements")
    assert isinstance(item, Const) and isinstance(item.value, int)
    if not -size <= item.value < size:
        raise ValueError(f"the index {item.value} is outside of 0 to {size - 1}")
    return item.value


def _stretch(ends: Iterable[Term], size: int, what: str) -> slice:
    start, stop = (
        e.value if isinstance(e, Const) and isinstance(e.value, int) else None for e in ends
    )
    for end in (start, stop):
        if end is not None and not -size <= end <= size:
            raise ValueError(f"the end {end} is outside of 0 to {size}")
    if not range(size)[start:stop]:
        raise ValueError(f"there are no {what} from {start} to before {stop}")
    return slice(start, stop)


# Vectors, pictures and text.


def concat(x: Tensor, y: Tensor) -> Float[Tensor, L * shape]:
    return torch.cat(_together((x, y)), 1)


def dot(x: Float[Tensor, "#L n"], y: Float[Tensor, "#L n"]) -> Float[Tensor, " _"]:
    return (x * y).sum(-1)


def blur(x: Float[Tensor, "*rest h w"], radius: Tensor) -> Float[Tensor, "*rest h w"]:
    """Gaussian of a standard deviation in pixels, cut at four of them; edges are replicated."""
    deviation = float(radius)
    if not 0 <= deviation < math.inf:
        raise ValueError(f"the radius of a blur is at least 0, and this is {deviation:g}")
    if deviation == 0:
        return x
    reach = math.ceil(4 * deviation)
    offsets = torch.arange(-reach, reach + 1, dtype=x.dtype, device=x.device)
    weights = (-0.5 * (offsets / deviation).square()).softmax(0)
    planes = x.reshape(-1, 1, *x.shape[-2:])
    planes = F.conv2d(F.pad(planes, (0, 0, reach, reach), "replicate"), weights.view(1, 1, -1, 1))
    planes = F.conv2d(F.pad(planes, (reach, reach, 0, 0), "replicate"), weights.view(1, 1, 1, -1))
    return _within(planes.view_as(x), x)


def resize(
    x: Float[Tensor, "*rest h w"], height: Tensor, width: Tensor
) -> Float[Tensor, "*rest height width"]:
    """Bilinear, with a wider filter where it shrinks."""
    sizes = (int(height), int(width))
    planes = x.reshape(-1, 1, *x.shape[-2:])
    planes = F.interpolate(planes, sizes, mode="bilinear", antialias=True)
    return _within(planes.view(*x.shape[:-2], *sizes), x)


def _within(
    y: Float[Tensor, "*rest height width"], x: Float[Tensor, "*rest h w"]
) -> Float[Tensor, "*rest height width"]:
    """Averages of ``x`` without what rounding put outside of its range."""
    return y.clamp(x.amin((-2, -1), keepdim=True), x.amax((-2, -1), keepdim=True))


def grey(x: Float[Tensor, "*rest c h w"]) -> Float[Tensor, "*rest 1 h w"]:
    """The luma of ITU-R 601."""
    if x.shape[-3] == 1:
        return x
    luma = x.new_tensor([0.299, 0.587, 0.114])
    return (x * luma.view(3, 1, 1)).sum(-3, keepdim=True)


def read(function: str, values: list[Any], env: Environment) -> Float[Tensor, L * shape]:
    """A function of texts; of numbers there is their length alone."""
    if isinstance(values[0], Tensor) and function == "length":
        return tensor(values[0].shape[1], env.device)
    return read_each(function, values[:1], values[1:], env)


def read_each(
    function: str, texts: list[Any], others: list[Any], env: Environment
) -> Shaped[Tensor, " _"]:
    """A function of each of some texts."""
    evaluated = FUNCTIONS[function].evaluate
    if evaluated is None or not all(isinstance(v, str) for v in (*texts, *others)):
        raise ValueError(f"`{function}` reads text, and this run holds none there")
    try:
        found = [evaluated(text, *others) for text in texts]
    except re.error as error:
        raise ValueError(f"{others[0]!r} is no regular expression: {error}") from error
    kind = torch.float32 if function == "length" else torch.bool
    return torch.tensor(found, dtype=kind, device=env.device)


def variable(term: Term) -> str:
    """The name of what a term is the whole or a part of; empty where it is neither."""
    match term:
        case Ref(name):
            return name
        case Apply("index", (inner, *_)):
            return variable(inner)
        case _:
            return ""


def spoken(term: Term, env: Environment) -> list[str]:
    """What each particle's symbols say.

    Raises:
        ValueError: they say nothing.
    """
    words = env.words.get(variable(term))
    if words is None:
        raise ValueError("no expert says what these symbols are as text")
    return words.texts(evaluate(term, env).long())


_OTHERS: dict[str, Callable[..., Tensor]] = {
    "concat": concat,
    "dot": dot,
    "blur": blur,
    "resize": resize,
    "grey": grey,
}


def margins(term: Term, env: Environment) -> list[Float[Tensor, L * shape]] | None:
    """A condition as inequalities that must all hold, each by a margin positive where it does.

    None where the condition is not a conjunction of inequalities.
    """
    match term:
        case Apply("and" | "all" | "list", args):
            found = [margins(a, env) for a in args]
            return None if None in found else [m for each in found if each for m in each]
        case Apply("<" | "<=", (a, b)):
            low, high = aligned([evaluate(a, env), evaluate(b, env)])
            return [high - low]
        case Apply(">" | ">=", (a, b)):
            high, low = aligned([evaluate(a, env), evaluate(b, env)])
            return [high - low]
        case _:
            return None
