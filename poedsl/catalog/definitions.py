"""What a decorated function or class says of itself, and the signature that makes of it.

The same for code that runs (``user.py``) and for code that is only read (the compiler).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from poedsl.catalog.annotations import Annotation, Record, annotation
from poedsl.catalog.references import Unusable
from poedsl.catalog.signatures import (
    REQUIRED,
    SIGNATURES,
    Capability,
    Default,
    Family,
    Parameter,
    Required,
    Returned,
    Role,
    Signature,
)
from poedsl.grammar.types import BOOL, CONTINUOUS, INT, REAL, SYMBOLS, TEXT, Type

Kind = Literal["expert", "reward", "source", "model"]

#: The decorators, and the options that each takes.
OPTIONS: dict[Kind, tuple[str, ...]] = {
    "expert": ("domain", "cost", "citation"),
    "reward": ("gradient", "domain", "cost", "citation"),
    "source": ("cost", "citation"),
    "model": ("cost", "citation"),
}

#: What a function calls that is a model of Pyro's, decorated or not.
SAMPLE = "pyro.sample"

#: What an expert can be told by, and how many arguments that takes: the first one decides.
METHODS = {"extend": (1, 2), "velocity": (2,), "score": (3,), "log_prob": (1, 3)}
_ROLES: dict[str, Role] = {"Real": "number", "Int": "number", "Bool": "number", "Text": "prompt"}


@dataclass(frozen=True, slots=True)
class Unread:
    """What stands for an annotation, a default or an option that nothing can be made of."""

    reason: str


@dataclass(frozen=True, slots=True)
class Argument:
    """A parameter of a Python function.

    Attributes:
        annotation: None where there is none. keyword: whether it can be given by its name.
    """

    name: str
    annotation: Annotation | Record | Unread | None = None
    default: object = REQUIRED
    keyword: bool = True


@dataclass(frozen=True, slots=True)
class Function:
    """A Python function: its parameters (of a method without ``self``) and what it returns.

    Attributes:
        open: ``*args`` or ``**kwargs`` where it takes any number; else empty. line: where it is.
    """

    arguments: tuple[Argument, ...] = ()
    returns: Annotation | Record | Unread | None = None
    open: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Definition:
    """A decorated function or class.

    Attributes:
        options: of the decorator, by name. makes: the function itself, or ``__init__`` of a class.
        methods: of a class, those of its own body; None for a function. file: as shown to people.
    """

    kind: Kind
    name: str
    doc: str
    makes: Function
    methods: Mapping[str, Function] | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    file: str = ""

    def refused(self, code: str, message: str, line: int = 0) -> Unusable:
        return Unusable(code, message, f"at {self.file}:{line or self.makes.line}")


def signature_of(definition: Definition, place: str) -> Signature:
    """The signature of what is defined at a place.

    Raises:
        Unusable: a type is missing or cannot be read, or a class has not the methods it needs.
    """
    d = definition
    if d.name in SIGNATURES:
        message = f"`{d.name}` is the name of an expert, reward or source already"
        raise d.refused("P0203", message)
    family, able, judging = _ability(d)
    takes = d.makes.arguments[1:] if judging is d.makes else d.makes.arguments
    domain = None if judging is None else _domain(d, judging)
    if d.kind == "model":
        domain = Type("Real", (None,))
    if d.makes.open:
        message = f"`{d.name}` takes `{d.makes.open}`; the language gives every argument by name"
        raise d.refused("P0208", message)
    return Signature(
        d.name,
        family,
        _line(d.doc),
        tuple(_parameter(d, a) for a in takes),
        domain=domain,
        capabilities=able,
        cost=_cost(d),
        citation=_text(d, "citation"),
        implementation=f"code:{place}",
        returns=_returned(d) if family == "source" else (),
    )


def _ability(d: Definition) -> tuple[Family, frozenset[Capability], Function | None]:
    """The family, what it can do, and the function that is called with particles."""
    if d.kind == "source":
        return "source", frozenset(), None
    if d.kind == "model":
        if d.methods is not None:
            raise d.refused("P0207", f"a model is a function, and `{d.name}` is a class")
        return "density", frozenset({"log_prob", "gradient"}), None
    if d.kind == "reward":
        judging = d.makes if d.methods is None else d.methods.get("__call__")
        if judging is None:
            message = f"the class `{d.name}` judges with `__call__(self, x)`, and has none"
            raise d.refused("P0207", message)
        gradient = d.options.get("gradient", False)
        if not isinstance(gradient, bool):
            raise d.refused("P0208", f"`gradient` of `{d.name}` is True or False")
        return "reward", frozenset({"reward", "gradient"} if gradient else {"reward"}), judging
    density: frozenset[Capability] = frozenset({"log_prob", "gradient"})
    if d.methods is None:
        return "density", density, d.makes
    chosen = next((m for m in METHODS if m in d.methods), None)
    if chosen is None:
        raise d.refused(
            "P0207",
            f"the class `{d.name}` has no method `velocity(self, x, s)`, `score(self, x, alpha, "
            "sigma)`, `log_prob(self, x)`, `extend(self, prefix)` or `extend(self, prefix, "
            "noise)` of its own",
        )
    judging = d.methods[chosen]
    if len(judging.arguments) not in METHODS[chosen]:
        takes = " or ".join(map(str, METHODS[chosen]))
        message = f"`{chosen}` of `{d.name}` takes {takes} arguments after `self`"
        raise d.refused("P0207", message, judging.line)
    if chosen == "log_prob" and len(judging.arguments) == 1:
        return "density", density, judging
    if chosen == "extend" and len(judging.arguments) == 1:
        return "tokens", frozenset({"log_prob", "extend", "sample"}), judging
    if chosen == "extend":
        return "flow", _growing(d), judging
    flow: frozenset[Capability] = frozenset({"score", "gradient"})
    log_prob = d.methods.get("log_prob")
    noised = chosen != "velocity" and log_prob is not None and len(log_prob.arguments) == 3
    return "flow", flow | {"noised"} if noised else flow, judging


def _growing(d: Definition) -> frozenset[Capability]:
    """What an expert of sections can do: ``log_prob`` is of a prefix."""
    assert d.methods is not None
    log_prob = d.methods.get("log_prob")
    if log_prob is None:
        return frozenset({"extend", "sample"})
    if len(log_prob.arguments) != 1:
        message = f"`log_prob` of `{d.name}` takes the prefix alone after `self`, as it extends one"
        raise d.refused("P0207", message, log_prob.line)
    return frozenset({"extend", "sample", "log_prob", "gradient"})


def _domain(d: Definition, judging: Function) -> Type | None:
    """What it is over: the option, or the type of the first parameter."""
    if not judging.arguments:
        message = f"`{d.name}` has no first parameter, for the particles"
        raise d.refused("P0208", message, judging.line)
    given, subject = d.options.get("domain"), judging.arguments[0]
    if given is not None:
        try:
            subject = Argument("domain", annotation(given))
        except TypeError as error:
            subject = Argument("domain", Unread(str(error)))
    domain = _type(d, subject, judging)
    symbols = d.methods is not None and "extend" in d.methods and len(judging.arguments) == 1
    over = SYMBOLS if symbols else CONTINUOUS
    if d.kind == "expert" and domain is not None and domain.name not in over:
        listed = ", ".join(sorted(over))
        raise d.refused("P0208", f"`{d.name}` is over {domain}; such experts are over {listed}")
    return domain


def _type(d: Definition, argument: Argument, function: Function) -> Type | None:
    what = f"`{argument.name}` of `{d.name}`"
    given = argument.annotation
    if given is None:
        hint = f"`{argument.name}: float`, or a type such as `{argument.name}: poedsl.Image`"
        raise d.refused("P0208", f"{what} has no annotation; write {hint}", function.line)
    if isinstance(given, Unread):
        message = f"the annotation of {what} cannot be read: {given.reason}"
        raise d.refused("P0208", message, function.line)
    if isinstance(given, Record):
        raise d.refused("P0208", f"{what} cannot be a record", function.line)
    try:
        return given.type
    except ValueError as error:
        message = f"the annotation of {what} cannot be read: {error}"
        raise d.refused("P0208", message, function.line) from None


def _parameter(d: Definition, argument: Argument) -> Parameter:
    what = f"`{argument.name}` of `{d.name}`"
    if not argument.keyword:
        message = f"{what} cannot be given by its name, as the language gives its arguments"
        raise d.refused("P0208", message)
    if argument.name == "subject" and d.kind == "reward":
        raise d.refused("P0208", f"{what} has the name of what a reward judges in the language")
    read = isinstance(argument.annotation, Annotation)
    type_ = _type(d, argument, d.makes) if read or d.kind != "model" else None
    role = "number" if type_ is None else _ROLES.get(type_.name, "condition")
    return Parameter(argument.name, type_, role, _default(d, argument, type_))


def _default(d: Definition, argument: Argument, type_: Type | None) -> Default:
    what = f"the default of `{argument.name}` of `{d.name}`"
    match argument.default:
        case Required() | None as plain:
            return plain
        case Unread(reason):
            raise d.refused("P0208", f"{what} cannot be read: {reason}")
        case bool() | int() | float() | str() as value if _is_a(value, type_):
            return value
        case _:
            wanted = "numbers" if type_ is None else str(type_)
            raise d.refused("P0208", f"{what} does not fit: it takes {wanted}")


def _is_a(value: int | float | str, type_: Type | None) -> bool:
    if isinstance(value, str):
        return type_ == TEXT and value == _plain(value)
    if isinstance(value, bool):
        return type_ == BOOL
    wanted = (INT, REAL, None) if isinstance(value, int) else (REAL, None)
    return type_ in wanted and _finite(value)


def _finite(value: int | float) -> bool:
    """Whether a float can hold it."""
    return value.bit_length() < 1024 if isinstance(value, int) else math.isfinite(value)


def _plain(text: str) -> str:
    """A text with a mark for every character that files cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _line(text: str) -> str:
    """The first line of a text."""
    return _plain((text.strip().splitlines() or [""])[0].strip())


def _cost(d: Definition) -> float:
    cost = d.options.get("cost", 0.0)
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        cost = -1.0
    if not _finite(cost) or cost < 0:
        raise d.refused("P0208", f"`cost` of `{d.name}` is a number of milliseconds")
    return float(cost)


def _text(d: Definition, option: str) -> str:
    text = d.options.get(option, "")
    if not isinstance(text, str):
        raise d.refused("P0208", f"`{option}` of `{d.name}` is a text")
    return _line(text)


def _returned(d: Definition) -> tuple[Returned, ...]:
    """What a source returns: its annotation, or that of ``__call__`` of a class."""
    giving = d.makes if d.methods is None else d.methods.get("__call__")
    if giving is None:
        raise d.refused(
            "P0207", f"the class `{d.name}` answers with `__call__(self)`, and has none"
        )
    match giving.returns:
        case Record(fields):
            return tuple(_field(d, name, kind) for name, kind in fields)
        case Annotation() as kind:
            return (_field(d, "", kind),)
        case Unread(reason):
            message = f"what `{d.name}` returns cannot be read: {reason}"
            raise d.refused("P0208", message, giving.line)
        case None:
            message = f"`{d.name}` does not say what it returns; write `-> poedsl.Depth`"
            raise d.refused("P0208", message, giving.line)


def _field(d: Definition, name: str, kind: Annotation) -> Returned:
    if kind.sizes is None:
        raise d.refused("P0208", f"`{d.name}` returns tensors with a number of sizes")
    known = {a.name for a in d.makes.arguments}
    for size in kind.sizes:
        if isinstance(size, str) and size.partition(".")[0] not in known:
            raise d.refused("P0208", f"`{d.name}` has no parameter `{size}` to say a size")
    return Returned(name, kind.name, kind.sizes)
