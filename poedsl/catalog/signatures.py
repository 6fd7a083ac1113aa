"""The signature of an expert: its parameters, the type that it is over, and its capabilities.

Signatures are plain data. The compiler, ``poe experts`` and the documentation read them without
loading a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from poedsl.catalog.data_codec import (
    ABSENT,
    LEFT_OUT,
    NAME,
    TYPENAME,
    JsonCodec,
    keywords,
    same,
)
from poedsl.grammar.types import Type

#: The role of a parameter. ``gradient``: a constant that, when true, gives the capability of that
#: name. ``frames``: the number of frames of a video that a reward for images scores. ``guidance``:
#: the scale of classifier-free guidance, 1 for none. ``weights``: the hub id or the folder of a
#: network beside the expert's model. ``probability``: from 0 to 1. ``shares``: from 0 on, the last
#: size of which sums to one. ``count``: a whole number from 0 on that depends on no variable.
Role = Literal[
    "location",
    "positive",
    "probability",
    "shares",
    "count",
    "number",
    "matrix",
    "table",
    "condition",
    "label",
    "prompt",
    "gradient",
    "frames",
    "guidance",
    "weights",
]
Family = Literal["density", "flow", "reward", "tokens", "source"]
Capability = Literal["log_prob", "noised", "score", "sample", "extend", "reward", "gradient"]

#: The latent space of models of which only a run knows whether they share an autoencoder.
LATENTS = "latents"


@dataclass(frozen=True, slots=True)
class Required:
    """No default: an argument is required, or the input of its name is used."""


REQUIRED = Required()
Default = Required | float | int | str | None
_SCALAR = JsonCodec(same, same, {"type": ["number", "string", "boolean", "null"]})


@dataclass(frozen=True, slots=True)
class SignatureParameter:
    """A parameter.

    Attributes:
        type: of its values; None for numbers that broadcast to the shape of the variable.
        alternative: the name of a group of parameters, of which a call has exactly one.
        classes: the number of values of a label; 0 where it is unknown.
        aligned: whether its last two sizes are the height and width of the variable.
        needs: the name of a parameter without which it has no meaning.
        trailing: of densities, how many more sizes at its end than the variable it has; below 0
            how many fewer.
        fixed: of densities, whether it depends on no variable.
    """

    name: Annotated[str, NAME]
    type: Type | None
    role: Role
    default: Annotated[Default, _SCALAR, LEFT_OUT] = REQUIRED
    summary: str = ""
    alternative: str = ""
    classes: Annotated[int, keywords(minimum=0)] = 0
    aligned: bool = False
    needs: Annotated[str, LEFT_OUT] = ""
    trailing: Annotated[int, ABSENT] = 0
    fixed: Annotated[bool, ABSENT] = False

    def no_label(self, value: object) -> str:
        """The reason why a value is not one of the classes; empty if it is."""
        if not self.classes or value is None or value in range(self.classes):
            return ""
        return f"is a class from 0 to {self.classes - 1}, and this is {value}"

    @property
    def required(self) -> bool:
        return isinstance(self.default, Required) and not self.alternative

    @property
    def ambient(self) -> bool:
        """Whether it defaults to the input of its name; numbers of densities do not."""
        return self.required and self.type is not None

    def __str__(self) -> str:
        kind = "numbers" if self.type is None else str(self.type)
        default = "" if isinstance(self.default, Required) else f" = {_show(self.default)}"
        return f"{self.name}: {kind}{default}"


def _show(value: Default) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "none" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


@dataclass(frozen=True, slots=True)
class Returned:
    """An output of a source, an attribute or, with an empty name, the whole output.

    Attributes:
        sizes: numbers, None for any size, or the name of an argument: ``frames``, or ``size.0`` for
            the first element of ``size``.
    """

    name: str
    type: Annotated[str, TYPENAME]
    sizes: tuple[int | str | None, ...] = ()


Event = Literal["", "simplex", "corr_cholesky"]
#: Kinds of events, in words.
EVENTS: dict[Event, str] = {
    "simplex": "shares that sum to one",
    "corr_cholesky": "Cholesky factors of correlation matrices",
}
#: The number of sizes of an event.
EVENT_RANKS: dict[Event, int] = {"simplex": 1, "corr_cholesky": 2}


@dataclass(frozen=True, slots=True)
class Support:
    """The support of a density: the real line, an interval, or vectors and matrices of a kind.

    Attributes:
        low, high: a number, or the name of a parameter; None where it is unbounded.
        event: of which kind an event is: vectors on the ``simplex``, which sum to one, or Cholesky
            factors of correlation matrices, ``corr_cholesky``; empty for components by themselves.
        whole: whether it has whole numbers alone.
        open: whether the density may be zero or infinite at the ends.
    """

    low: float | str | None = None
    high: float | str | None = None
    event: Event = ""
    whole: bool = False
    open: bool = False

    @property
    def constrained(self) -> bool:
        return self != REALS

    def __str__(self) -> str:
        if self.event:
            return EVENTS[self.event]
        low, high = (f"{e:.6g}" if isinstance(e, float) else e for e in (self.low, self.high))
        if low is None:
            return "all numbers"
        if self.whole:
            return f"whole numbers from {low} {'on' if high is None else f'to {high}'}"
        return f"above {low}" if high is None else f"from {low} to {high}"


REALS = Support()


@dataclass(frozen=True, slots=True)
class Signature:
    """An expert, a reward, a density or a source, as the compiler needs it.

    Attributes:
        domain: the type of the variable, whose sizes replace open ones; None for any tensor of
            reals. event_rank: of densities, the number of trailing sizes of one event. cost: of
            one evaluation of one particle in milliseconds, to an order of magnitude, on the
            hardware that it is meant for.
        implementation: ``module:class``, which is imported when a run needs it; empty if this
            release cannot run it; ``code:PLACE`` for Python code that a program names.
        requires: the extra of the package that must be installed to run it.
        model: the folder of its weights, where they are fixed.
        space: the latent space of its noised marginals; empty for the space of the variable.
        returns: the outputs of a source.
        support: of a density of the language; user code is over all numbers.
    """

    name: Annotated[str, NAME]
    family: Family
    summary: str
    parameters: tuple[SignatureParameter, ...]
    domain: Type | None = None
    event_rank: Annotated[int, keywords(minimum=0)] = 0
    capabilities: frozenset[Capability] = frozenset()
    cost: Annotated[float, keywords(description="Milliseconds of one evaluation.")] = 0.0
    citation: str = ""
    implementation: str = ""
    requires: str = ""
    model: str = ""
    space: str = ""
    returns: tuple[Returned, ...] = ()
    support: Annotated[Support, ABSENT] = REALS

    @property
    def is_code(self) -> bool:
        """Whether it is Python code that a program names, which runs only if that is allowed."""
        return self.implementation.startswith("code:")

    @property
    def describes_data(self) -> bool:
        """Whether it is a density that data may have: of the language, with a formula."""
        return (self.family == "density" and not self.is_code) or self.support.whole

    def __str__(self) -> str:
        takes = ", ".join(str(p) for p in self.parameters)
        if self.family == "source":
            gives = ", ".join(f".{r.name}: {r.type}" if r.name else r.type for r in self.returns)
            return f"{self.name}({takes}) -> {gives}"
        if self.family == "reward":
            return f"{self.name}({takes}) scores {self.scored}"
        return f"{self.name}({takes}) -> {self.domain or 'numbers'}"

    def parameter(self, name: str) -> SignatureParameter | None:
        """The parameter of a name, or None."""
        return next((p for p in self.parameters if p.name == name), None)

    @property
    def domains(self) -> tuple[Type, ...]:
        """The types of its variable; a reward that scores frames takes videos too."""
        if self.domain is None:
            return ()
        if all(p.role != "frames" for p in self.parameters):
            return (self.domain,)
        return (self.domain, Type("Video", (None, *self.domain.sizes)))

    @property
    def scored(self) -> str:
        """The types of its variable, for messages."""
        return " or ".join(map(str, self.domains)) or "numbers"
