"""The signature of a decorated function or class, from its annotations."""

from __future__ import annotations

import math

from poedsl.catalog.annotations import Annotation, Record, annotation
from poedsl.catalog.definitions import (
    Definition,
    PythonFunction,
    PythonParameter,
    UnreadableDefinition,
)
from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import (
    Capability,
    Default,
    Family,
    Required,
    Returned,
    Role,
    Signature,
    SignatureParameter,
)
from poedsl.grammar.types import BOOL, CONTINUOUS, INT, REAL, SYMBOLS, TEXT, Type

#: The methods that make a class an expert, and how many arguments each can take. The first one
#: that a class has decides.
METHODS = {"extend": (1, 2), "velocity": (2,), "score": (3,), "log_prob": (1, 3)}
_ROLES: dict[str, Role] = {"Real": "number", "Int": "number", "Bool": "number", "Text": "prompt"}


def infer_signature(definition: Definition, place: str) -> Signature:
    """The signature of a decorated function or class.

    Args:
        place: of its code, as in a ``use`` statement.

    Raises:
        DefinitionError: the name is taken (P0203), a class lacks a method (P0207), or an
            annotation, a default or an option is missing or invalid (P0208).
    """
    d = definition
    if d.name in SIGNATURES:
        message = f"`{d.name}` is the name of an expert, reward or source already"
        raise d.error("P0203", message)
    family, capabilities, called = _family(d)
    arguments = d.constructor.arguments[1:] if called is d.constructor else d.constructor.arguments
    domain = None if called is None else _domain(d, called)
    if d.kind == "model":
        domain = Type("Real", (None,))
    if d.constructor.open:
        message = (
            f"`{d.name}` takes `{d.constructor.open}`; the language gives every argument by name"
        )
        raise d.error("P0208", message)
    return Signature(
        d.name,
        family,
        _line(d.doc),
        tuple(_parameter(d, a) for a in arguments),
        domain=domain,
        capabilities=capabilities,
        cost=_cost(d),
        citation=_text(d, "citation"),
        implementation=f"code:{place}",
        returns=_returned(d) if family == "source" else (),
    )


def _family(d: Definition) -> tuple[Family, frozenset[Capability], PythonFunction | None]:
    """The family, the capabilities, and the function that is called with particles."""
    if d.kind == "source":
        return "source", frozenset(), None
    if d.kind == "model":
        if d.methods is not None:
            raise d.error("P0207", f"a model is a function, and `{d.name}` is a class")
        return "density", frozenset({"log_prob", "gradient"}), None
    if d.kind == "reward":
        called = d.constructor if d.methods is None else d.methods.get("__call__")
        if called is None:
            message = f"the class `{d.name}` is called as `__call__(self, x)`, and has none"
            raise d.error("P0207", message)
        gradient = d.options.get("gradient", False)
        if not isinstance(gradient, bool):
            raise d.error("P0208", f"`gradient` of `{d.name}` is True or False")
        return "reward", frozenset({"reward", "gradient"} if gradient else {"reward"}), called
    density: frozenset[Capability] = frozenset({"log_prob", "gradient"})
    if d.methods is None:
        return "density", density, d.constructor
    chosen = next((m for m in METHODS if m in d.methods), None)
    if chosen is None:
        raise d.error(
            "P0207",
            f"the class `{d.name}` has no method `velocity(self, x, s)`, `score(self, x, alpha, "
            "sigma)`, `log_prob(self, x)`, `extend(self, prefix)` or `extend(self, prefix, "
            "noise)` of its own",
        )
    called = d.methods[chosen]
    if len(called.arguments) not in METHODS[chosen]:
        takes = " or ".join(map(str, METHODS[chosen]))
        message = f"`{chosen}` of `{d.name}` takes {takes} arguments after `self`"
        raise d.error("P0207", message, called.line)
    if chosen == "log_prob" and len(called.arguments) == 1:
        return "density", density, called
    if chosen == "extend" and len(called.arguments) == 1:
        return "tokens", frozenset({"log_prob", "extend", "sample"}), called
    if chosen == "extend":
        return "flow", _section_capabilities(d), called
    flow: frozenset[Capability] = frozenset({"score", "gradient"})
    log_prob = d.methods.get("log_prob")
    noised = chosen != "velocity" and log_prob is not None and len(log_prob.arguments) == 3
    return "flow", flow | {"noised"} if noised else flow, called


def _section_capabilities(d: Definition) -> frozenset[Capability]:
    """Capabilities of a class that extends a prefix by a section."""
    assert d.methods is not None
    log_prob = d.methods.get("log_prob")
    if log_prob is None:
        return frozenset({"extend", "sample"})
    if len(log_prob.arguments) != 1:
        message = f"`log_prob` of `{d.name}` takes the prefix alone after `self`, as it extends one"
        raise d.error("P0207", message, log_prob.line)
    return frozenset({"extend", "sample", "log_prob", "gradient"})


def _domain(d: Definition, called: PythonFunction) -> Type | None:
    """The type that it is over: the option, or the type of the first parameter."""
    if not called.arguments:
        message = f"`{d.name}` has no first parameter, for the particles"
        raise d.error("P0208", message, called.line)
    option, subject = d.options.get("domain"), called.arguments[0]
    if option is not None:
        try:
            subject = PythonParameter("domain", annotation(option))
        except TypeError as error:
            subject = PythonParameter("domain", UnreadableDefinition(str(error)))
    domain = _type(d, subject, called)
    symbols = d.methods is not None and "extend" in d.methods and len(called.arguments) == 1
    over = SYMBOLS if symbols else CONTINUOUS
    if d.kind == "expert" and domain is not None and domain.name not in over:
        listed = ", ".join(sorted(over))
        raise d.error("P0208", f"`{d.name}` is over {domain}; such experts are over {listed}")
    return domain


def _type(d: Definition, argument: PythonParameter, function: PythonFunction) -> Type | None:
    subject = f"`{argument.name}` of `{d.name}`"
    declared = argument.annotation
    if declared is None:
        hint = f"`{argument.name}: float`, or a type such as `{argument.name}: poedsl.Image`"
        raise d.error("P0208", f"{subject} has no annotation; write {hint}", function.line)
    if isinstance(declared, UnreadableDefinition):
        message = f"the annotation of {subject} cannot be read: {declared.reason}"
        raise d.error("P0208", message, function.line)
    if isinstance(declared, Record):
        raise d.error("P0208", f"{subject} cannot be a record", function.line)
    try:
        return declared.type
    except ValueError as error:
        message = f"the annotation of {subject} cannot be read: {error}"
        raise d.error("P0208", message, function.line) from None


def _parameter(d: Definition, argument: PythonParameter) -> SignatureParameter:
    subject = f"`{argument.name}` of `{d.name}`"
    if not argument.keyword:
        message = f"{subject} cannot be given by its name, as the language gives its arguments"
        raise d.error("P0208", message)
    if argument.name == "subject" and d.kind == "reward":
        raise d.error("P0208", f"{subject} is reserved for what a reward scores in the language")
    is_readable = isinstance(argument.annotation, Annotation)
    type_ = _type(d, argument, d.constructor) if is_readable or d.kind != "model" else None
    role = "number" if type_ is None else _ROLES.get(type_.name, "condition")
    return SignatureParameter(argument.name, type_, role, _default(d, argument, type_))


def _default(d: Definition, argument: PythonParameter, type_: Type | None) -> Default:
    subject = f"the default of `{argument.name}` of `{d.name}`"
    match argument.default:
        case Required() | None as plain:
            return plain
        case UnreadableDefinition(reason):
            raise d.error("P0208", f"{subject} cannot be read: {reason}")
        case bool() | int() | float() | str() as value if _has_type(value, type_):
            return value
        case _:
            expected = "numbers" if type_ is None else str(type_)
            raise d.error("P0208", f"{subject} does not fit: it takes {expected}")


def _has_type(value: int | float | str, type_: Type | None) -> bool:
    if isinstance(value, str):
        return type_ == TEXT and value == _plain(value)
    if isinstance(value, bool):
        return type_ == BOOL
    types = (INT, REAL, None) if isinstance(value, int) else (REAL, None)
    return type_ in types and _finite(value)


def _finite(value: int | float) -> bool:
    """Whether it is finite as a float."""
    return value.bit_length() < 1024 if isinstance(value, int) else math.isfinite(value)


def _plain(text: str) -> str:
    """A text in which every lone surrogate is replaced, so that UTF-8 can encode it."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _line(text: str) -> str:
    """The first line of a text."""
    return _plain((text.strip().splitlines() or [""])[0].strip())


def _cost(d: Definition) -> float:
    cost = d.options.get("cost", 0.0)
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        cost = -1.0
    if not _finite(cost) or cost < 0:
        raise d.error("P0208", f"`cost` of `{d.name}` is a number of milliseconds")
    return float(cost)


def _text(d: Definition, option: str) -> str:
    text = d.options.get(option, "")
    if not isinstance(text, str):
        raise d.error("P0208", f"`{option}` of `{d.name}` is a text")
    return _line(text)


def _returned(d: Definition) -> tuple[Returned, ...]:
    """The outputs of a source: the return annotation of the function, or of ``__call__``."""
    function = d.constructor if d.methods is None else d.methods.get("__call__")
    if function is None:
        raise d.error("P0207", f"the class `{d.name}` answers with `__call__(self)`, and has none")
    match function.returns:
        case Record(fields):
            return tuple(_field(d, name, kind) for name, kind in fields)
        case Annotation() as kind:
            return (_field(d, "", kind),)
        case UnreadableDefinition(reason):
            message = f"what `{d.name}` returns cannot be read: {reason}"
            raise d.error("P0208", message, function.line)
        case None:
            message = f"`{d.name}` does not say what it returns; write `-> poedsl.Depth`"
            raise d.error("P0208", message, function.line)


def _field(d: Definition, name: str, kind: Annotation) -> Returned:
    if kind.sizes is None:
        raise d.error("P0208", f"`{d.name}` returns tensors with a number of sizes")
    names = {a.name for a in d.constructor.arguments}
    for size in kind.sizes:
        if isinstance(size, str) and size.partition(".")[0] not in names:
            raise d.error("P0208", f"`{d.name}` has no parameter `{size}` to say a size")
    return Returned(name, kind.name, kind.sizes)
