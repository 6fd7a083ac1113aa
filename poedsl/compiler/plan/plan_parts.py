"""The parts of a plan as data: inputs, constants, variables, factors and options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from poedsl.catalog.signatures import Signature
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


@dataclass(frozen=True, slots=True)
class Array:
    """A bound tensor: plain bytes in C order, little-endian.

    Attributes:
        remarks: codes of warnings on how its values were read, which a run repeats.
    """

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InputSpec:
    """A value the caller binds.

    Attributes:
        default: a constant, or a file's path for types read from files.
        origin: declared; inferred from a free name; or taken by an expert from its surroundings.
    """

    name: str
    type: Type
    default: Term | None = None
    origin: Origin = "declared"
    place: str = ""


@dataclass(frozen=True, slots=True)
class UseSpec:
    """A user-defined expert, reward or source: its place and its signature."""

    name: str
    place: str
    signature: Signature


@dataclass(frozen=True, slots=True)
class LetSpec:
    """A constant that depends on inputs, evaluated once per run."""

    name: str
    type: Type
    term: Term


@dataclass(frozen=True, slots=True)
class SizeSpec:
    """A size that inputs determine: that of an axis of an input or a variable, in whole numbers."""

    name: str
    axis: int
    term: Term


@dataclass(frozen=True, slots=True)
class ReportSpec:
    """A value that is computed of every particle at the end of a run."""

    name: str
    type: Type
    term: Term


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """A sampled variable; ``space`` names its latent space, empty if it has none."""

    name: str
    type: Type
    space: str = ""


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

    name: str
    kind: Kind
    variables: tuple[str, ...]
    term: Term
    exponent: Term = ONE
    place: str = ""
    part: Term | None = None
    given: str = ""
    mask: bool = False
    loops: tuple[tuple[str, Term], ...] = ()
    observed: Term | None = None

    @property
    def is_parent(self) -> bool:
        """Whether experts that are `given` its variable are conditioned on it: it generates the
        whole of that, and has no parents itself.
        """
        return self.kind in GENERATIVE and self.part is None and not self.given


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of ``sample``; ``reason`` is empty if the program sets its value."""

    name: str
    value: Term
    reason: str = ""
