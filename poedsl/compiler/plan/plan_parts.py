"""The parts of a plan as data: inputs, constants, variables, factors and options."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Annotated, Literal

from poedsl.catalog.data_codec import (
    LEFT_OUT,
    NAME,
    JsonCodec,
    JsonMember,
    definition,
    keywords,
    list_of,
    record,
    same,
)
from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.term_codec import DEFAULT, PART, TERM, TermMember
from poedsl.compiler.plan.terms import Const, Term
from poedsl.grammar.types import Type

ONE = Const(1)
#: How a factor takes part in a run.
#: ``gaussian``: a density whose noised marginals have a closed form (Gaussians and their mixtures);
#: ``density``: a density without one, a differentiable reward along the path;
#: ``flow``: a learned model with a score; ``tokens``: a model of sequences;
#: ``reward``: the exponential of an expression; ``where``: a condition;
#: ``likelihood``: a density of data, whose parameters depend on variables.
Kind = Literal["gaussian", "density", "flow", "tokens", "reward", "where", "likelihood"]
#: Kinds that carry a path from its start to the data.
GENERATIVE: frozenset[Kind] = frozenset({"gaussian", "flow", "tokens"})
#: Kinds that say nothing of where a variable comes from, and weigh its values.
WEIGHING: frozenset[Kind] = frozenset({"reward", "where", "likelihood"})
Origin = Literal["declared", "inferred", "ambient"]
#: Codes of warnings on how the values of an array were read.
REMARKS = ("P1030", "P1031", "P1032", "P1033", "P1034", "P1035", "P1036")

Name = Annotated[str, NAME]
Place = Annotated[
    str,
    definition(
        "place",
        JsonCodec(
            same,
            same,
            {"type": "string", "description": "FILE:LINE:COLUMN, counted from 1."},
        ),
    ),
]
_BYTES = JsonCodec(
    lambda data: base64.b64encode(data).decode(),
    base64.b64decode,
    {
        "type": "string",
        "contentEncoding": "base64",
        "pattern": "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$",
    },
)


@dataclass(frozen=True, slots=True)
class Array:
    """A bound tensor: plain bytes in C order, little-endian.

    Attributes:
        remarks: codes of warnings on how its values were read, which a run repeats.
    """

    dtype: Annotated[str, keywords(enum=["<f4", "<f8"])]
    shape: tuple[Annotated[int, keywords(minimum=0)], ...]
    data: Annotated[bytes, _BYTES, JsonMember(key="base64")]
    remarks: Annotated[
        tuple[Annotated[str, keywords(enum=list(REMARKS))], ...],
        keywords(description="Codes of warnings on how the values were read."),
        LEFT_OUT,
    ] = ()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A value the caller binds.

    Attributes:
        default: a constant, or a file's path for types read from files.
        origin: declared; inferred from a free name; or taken by an expert from its surroundings.
    """

    name: Name
    type: Type
    default: Annotated[Term | None, DEFAULT] = None
    origin: Origin = "declared"
    place: Place = ""


@dataclass(frozen=True, slots=True)
class UseSpec:
    """A user-defined expert, reward or source: its place and its signature."""

    name: Name
    place: Annotated[str, keywords(description="file.py:name, module:name, or a model.")]
    signature: Signature


@dataclass(frozen=True, slots=True)
class LetSpec:
    """A constant that depends on inputs, evaluated once per run."""

    name: Name
    type: Type
    term: TermMember


@dataclass(frozen=True, slots=True)
class SizeSpec:
    """A size that inputs determine: that of an axis of an input or a variable, in whole numbers."""

    name: Name
    axis: Annotated[int, keywords(minimum=0)]
    term: Annotated[Term, TERM, JsonMember(key="size")]


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """A value that is computed of every particle at the end of a run."""

    name: str
    type: Type
    term: TermMember


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """A sampled variable; ``space`` names its latent space, empty if it has none."""

    name: Name
    type: Type
    space: Annotated[str, keywords(description="The latent space it is sampled in, if any.")] = ""


@dataclass(frozen=True, slots=True)
class FactorSpec:
    """One named site: ``term`` to the power ``exponent`` in the target of its variables.

    Attributes:
        variables: that of the statement first, then the others that occur in the factor; of a
            likelihood those of its parameters, or the program's first one if there are none.
        part: the part of its variable that it covers, ``x[...]``; None for the whole.
        given: the variable on whose parents it is conditioned (Zhang et al., Eq. 6); empty: none.
        mask: whether the exponent varies over the components, so that there is no density.
        loops: names and what they run over, outermost first, where that depends on inputs: the
            factor has one site for each element.
        observed: of a likelihood the data, an input or a constant, or a part of one, ``y[...]``;
            ``term`` is then the density of these data.
    """

    name: Name
    kind: Kind
    variables: Annotated[tuple[Name, ...], keywords(minItems=1)]
    term: TermMember
    exponent: TermMember = ONE
    place: Place = ""
    part: Annotated[Term | None, PART] = None
    given: Annotated[str, keywords(description="The variable whose parents it is given.")] = ""
    mask: Annotated[bool, keywords(description="Whether the exponent varies.")] = False
    loops: Annotated[tuple[tuple[str, Term], ...], list_of(record(name=NAME, over=TERM))] = ()
    observed: Annotated[
        Term | None,
        TERM,
        keywords(description="Of a likelihood the data, whose density the term is."),
        LEFT_OUT,
    ] = None

    @property
    def is_parent(self) -> bool:
        """Whether experts that are `given` its variable are conditioned on it: it generates the
        whole of that, and has no parents itself.
        """
        return self.kind in GENERATIVE and self.part is None and not self.given


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of ``sample``; ``reason`` is empty if the program sets its value."""

    name: Annotated[str, keywords(enum=list(OPTIONS))]
    value: TermMember
    reason: Annotated[str, keywords(description="Why it was chosen; empty where it was given.")] = (
        ""
    )
