"""What functions take, and the types of their results by those of their arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from poedsl.compiler.plan.terms import Apply, Const, Term, Value
from poedsl.grammar.types import BOOL, INT, Sizes, Type, broadcast

#: The most numbers of one constant, and the most elements that a comprehension runs over.
MOST, MOST_ELEMENTS = 1_000_000, 10_000
#: The most sizes of a value: a tensor has no more.
MOST_SIZES = 32
#: The type of `none`, and of an argument that is left out.
NONE = Type("None")

_PIXELS = "this looks like pixels: divide left and right by the width, top and bottom by the height"


class Unfit(Exception):
    """Arguments that have no result together; the text goes on where the function's name ends."""

    def __init__(self, message: str, code: str = "P0306", *notes: str) -> None:
        super().__init__(message)
        self.code = code
        self.notes = notes


class Given(NamedTuple):
    """An argument: its type, and its value where that is known when the program is compiled."""

    type: Type
    value: Value | None


#: From arguments to the type of the result, or to the result where types tell it.
Rule = Callable[..., Type | Const]


def known(term: Term) -> Value | None:
    """The value of a constant, or the sides and ends of a region."""
    if isinstance(term, Apply) and term.function in ("box", "frames"):
        return tuple(a.value for a in term.args if isinstance(a, Const))
    return term.value if isinstance(term, Const) else None


class Kind(NamedTuple):
    """What a parameter takes.

    Attributes:
        words: for messages.
        code: of the error where an argument is something else.
        fixed: it says how to compute, so that no variable may say it.
        symbols: it takes tokens as they are, not as whole numbers.
    """

    words: str
    code: str
    fits: Callable[[Given], bool]
    fixed: bool = False
    symbols: bool = False


def _numeric(given: Given) -> bool:
    return given.type.is_numeric and given.type.name != "Bool"


KINDS = {
    "numbers": Kind("numbers", "P0311", _numeric),
    "countable": Kind("numbers or conditions", "P0311", lambda g: g.type.is_numeric),
    "conditions": Kind("conditions", "P0311", lambda g: g.type.name == "Bool"),
    "number": Kind(
        "a single number", "P0302", lambda g: _numeric(g) and not g.type.sizes, fixed=True
    ),
    "whole number": Kind(
        "a whole number known when the program is compiled",
        "P0302",
        lambda g: isinstance(g.value, int) and not isinstance(g.value, bool),
        fixed=True,
    ),
    "picture": Kind(
        "a picture, a depth, a mask or a video",
        "P0302",
        lambda g: _numeric(g) and len(g.type.sizes) > 1,
    ),
    "region": Kind("a region", "P0302", lambda g: g.type.name == "Region", fixed=True),
    "text": Kind("a text", "P0302", lambda g: g.type.name == "Text", fixed=True),
    "words": Kind(
        "a text or tokens", "P0302", lambda g: g.type.name in ("Text", "Tokens"), symbols=True
    ),
    "sequence": Kind(
        "a vector, a text or tokens",
        "P0302",
        lambda g: bool(g.type.sizes) or g.type.name == "Text",
        symbols=True,
    ),
}


# Numbers.


def _name(given: Iterable[Given]) -> str:
    """Whole numbers make whole numbers."""
    return "Int" if all(g.type.name in ("Int", "Bool") for g in given) else "Real"


def elementwise(name: str = "") -> Rule:
    """Component by component, broadcast; whole where all arguments are, unless ``name`` says."""

    def rule(*given: Given) -> Type:
        sizes: Sizes = ()
        for g in given:
            wider = broadcast(sizes, g.type.sizes)
            if wider is None:
                shown = " and ".join(str(g.type) for g in given)
                raise Unfit(f"its arguments have shapes that do not fit: {shown}", "P0303")
            sizes = wider
        return Type(name or _name(given), sizes)

    return rule


def clamp(x: Given, low: Given, high: Given) -> Type | Const:
    ends = _single(low, high)
    if ends is not None and ends[0] > ends[1]:
        raise Unfit(f"`low` is at most `high`, and these are {ends[0]} and {ends[1]}")
    return elementwise()(x, low, high)


def reduced(name: str = "") -> Rule:
    """One of all components."""
    return lambda x: Type(name or _name((x,)))


def extreme(x: Given, y: Given | None = None) -> Type | Const:
    return reduced()(x) if y is None else elementwise()(x, y)


def condition(*_: Given) -> Type:
    return BOOL


def dot(x: Given, y: Given) -> Type:
    if len(x.type.sizes) != 1 or len(y.type.sizes) != 1 or not _equal(x.type.sizes, y.type.sizes):
        raise Unfit(
            f"its arguments are two vectors of one length, and these are {x.type} and {y.type}",
            "P0303",
        )
    return Type(_name((x, y)))


def concat(x: Given, y: Given) -> Type:
    a, b = x.type.sizes, y.type.sizes
    if not a or not b or len(a) != len(b) or not _equal(a[1:], b[1:]):
        raise Unfit(
            f"its arguments differ in their first size at most, and these are {x.type} "
            f"and {y.type}",
            "P0303",
        )
    name = x.type.name if x.type.name == y.type.name else "Real"
    first = None if a[0] is None or b[0] is None else a[0] + b[0]
    return Type(name, (first, *(q if p is None else p for p, q in zip(a[1:], b[1:], strict=True))))


def _equal(a: Sizes, b: Sizes) -> bool:
    return all(p is None or q is None or p == q for p, q in zip(a, b, strict=True))


def length(x: Given) -> Type | Const:
    if x.type.name == "Tokens":
        return INT
    return Const(x.type.sizes[0]) if x.type.sizes and x.type.sizes[0] is not None else INT


def _single(*given: Given) -> list[float] | None:
    """The numbers that the arguments are; None where one is not known, or not a single one."""
    values = [g.value for g in given if isinstance(g.value, (int, float))]
    return values if len(values) == len(given) else None


def linspace(start: Given, stop: Given, count: Given) -> Type:
    if _single(start, stop, count) is None:
        raise Unfit("its arguments are single numbers known when the program is compiled")
    if not isinstance(count.value, int) or count.value < 1:
        raise Unfit("its last argument is a whole number of at least 1")
    return Type("Real", (_few(count.value),))


def whole_range(start: Given, stop: Given, step: Given) -> Type:
    ends = (start, step) if stop.type == NONE else (start, stop, step)
    if not all(isinstance(e.value, int) for e in ends):
        raise Unfit("its arguments are whole numbers known when the program is compiled")
    if step.value == 0:
        raise Unfit("its step is not zero")
    first, last, by = numbers_of_range(start.value, stop.value, step.value)
    count = max(0, -((first - last) // by))
    if not count:
        raise Unfit(f"there is no number from {first} to before {last}")
    return Type("Int", (_few(count),))


def numbers_of_range(start: Value, stop: Value, step: Value) -> tuple[int, int, int]:
    """As Python's: one number alone is where it stops."""
    assert isinstance(start, int) and isinstance(step, int)
    if stop is None:
        return 0, start, step
    assert isinstance(stop, int)
    return start, stop, step


def _few(count: int) -> int:
    if count > MOST:
        raise Unfit(f"{count:,} numbers are too many: a constant has at most {MOST:,}")
    return count


# Pictures and regions.


def box(left: Given, top: Given, right: Given, bottom: Given) -> Type:
    sides = _single(left, top, right, bottom)
    if sides is None:
        raise Unfit("its sides are single numbers known when the program is compiled")
    if not (0 <= sides[0] < sides[2] <= 1 and 0 <= sides[1] < sides[3] <= 1):
        raise Unfit(
            "its sides are left, top, right and bottom in fractions of width and height: "
            "0 <= left < right <= 1 and 0 <= top < bottom <= 1",
            "P0306",
            *((_PIXELS,) if max(sides) > 1 and min(sides) >= 0 else ()),
        )
    return Type("Region")


def frames(start: Given, stop: Given) -> Type:
    ends = _single(start, stop)
    assert ends is not None
    if not 0 <= ends[0] < ends[1]:
        raise Unfit("it goes from a frame to before another: 0 <= start < stop")
    return Type("Region")


def blur(x: Given, radius: Given) -> Type:
    if isinstance(radius.value, (int, float)) and radius.value < 0:
        raise Unfit(f"its radius is at least 0, and this is {radius.value}")
    return x.type


def resize(x: Given, height: Given, width: Given) -> Type:
    sizes = tuple(g.value for g in (height, width) if isinstance(g.value, int))
    if min(sizes) < 1:
        raise Unfit("a height and a width are at least 1")
    return Type(x.type.name, (*x.type.sizes[:-2], *sizes))


def grey(x: Given) -> Type:
    sizes = x.type.sizes
    if len(sizes) < 3 or x.type.name in ("Depth", "Mask"):
        raise Unfit(f"it takes an image or a video, and this is {x.type}", "P0302")
    if sizes[-3] not in (None, 1, 3):
        raise Unfit(f"it takes 1 or 3 channels, and this has {sizes[-3]}", "P0303")
    return Type(x.type.name, (*sizes[:-3], 1, *sizes[-2:]))


def crop(x: Given, region: Given) -> Type:
    """A region cut out; its sizes are open where the region is not known."""
    sizes = x.type.sizes
    match region.value:
        case (int(start), int(stop)):
            if x.type.name not in ("Video", "Depth", "Mask") or len(sizes) < 3:
                raise Unfit(f"frames are of a video, and this is {x.type}", "P0305")
            if sizes[0] is not None and stop > sizes[0]:
                raise Unfit(
                    f"the video has {sizes[0]} frames, and these are {start} to before {stop}",
                    "P0305",
                )
            return Type(x.type.name, (stop - start, *sizes[1:]))
        case (float() | int() as left, float() | int() as top, float() | int() as right, bottom):
            assert isinstance(bottom, (float, int))
            cut = (pixels(sizes[-2], top, bottom), pixels(sizes[-1], left, right))
            if 0 in cut:
                raise Unfit(f"this box holds no pixel of {x.type}", "P0305")
            return Type(x.type.name, (*sizes[:-2], *cut))
        case _:
            return Type(x.type.name, (*sizes[:-2], None, None))


def pixels(size: int | None, first: float, last: float) -> int | None:
    """How many of ``size`` pixels lie between two fractions."""
    return None if size is None else round(last * size) - round(first * size)


# Text.


def pattern(_: Given, pattern: Given) -> Type:
    if isinstance(pattern.value, str):
        try:
            re.compile(pattern.value)
        except re.error as error:
            raise Unfit(f"its pattern is not a regular expression: {error}") from error
    return BOOL
