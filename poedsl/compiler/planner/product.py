"""The description of a product on which the choice of its options rests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from poedsl.compiler.plan.guidance import guided_factors
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.conservative_scores import nonconservative
from poedsl.compiler.planner.factors import (
    PICTURES,
    SYMBOLS,
    capabilities,
    component_count,
    generative_factors,
    section_experts,
)
from poedsl.compiler.planner.tempering import far_factor, separated_reason, tempering_reason

Path = Literal["flow", "prefix", "temper"]
#: What is available at a prefix: conditionals of symbols, densities, scores, or draws alone.
Extension = Literal["", "symbols", "densities", "scores", "draws"]


@dataclass(frozen=True, slots=True)
class PlannedProduct:
    """What the factors of a product can do together.

    Attributes:
        closed_form: whether all generative experts have noised marginals in closed form.
        rewarded: ``pictures`` or ``text`` where such a variable has a reward; else empty.
        pictures: whether a variable is an image or a video.
        latent: whether a variable is sampled in the latent space of its experts.
        components: how many real numbers there are; None where that is not constant.
        reweighted_scores: whether experts of points that have only scores are raised to powers.
        guided: the first factor with classifier-free guidance, in words; empty where there is none.
        nonconservative: why the combined scores are not the gradient of a log density.
        conditioned: whether an expert is conditioned on its parents.
        paths: the path that each variable's experts can take.
        length: of the longest sequence, in symbols or sections, where its size is constant.
        extension: what experts that extend a prefix provide; empty on other paths.
        tempering: why the path from noise is unsuitable and tempering is possible.
        far: why tempering is better, though a path from noise exists.
        separated: why it is better for mixtures.
        raised_mixture: the mixture whose power above one is the whole program; None elsewhere.
    """

    closed_form: bool
    rewarded: Literal["", "pictures", "text"]
    pictures: bool
    latent: bool
    components: int | None
    reweighted_scores: bool
    guided: str
    nonconservative: str
    conditioned: bool
    paths: dict[str, Path]
    length: int
    extension: Extension
    tempering: str
    far: str
    separated: str
    raised_mixture: Term | None

    @classmethod
    def of(cls, spec: PlanSpec, options: Mapping[str, Term]) -> PlannedProduct:
        """The description of a plan's factors under the options that the program sets."""
        generative = generative_factors(spec)
        paths = {v.name: _path(v, generative[v.name], spec) for v in spec.variables}
        extended = [v.type for v in spec.variables if paths[v.name] == "prefix" and v.type.sizes]
        lengths = [t.sizes[0] or 1 for t in extended if t.name != "Category"]
        return cls(
            closed_form=all(
                f.kind == "gaussian" for factors in generative.values() for f in factors
            ),
            rewarded=_rewarded(spec),
            pictures=any(v.type.name in PICTURES for v in spec.variables),
            latent=any(v.space for v in spec.variables),
            components=component_count(spec),
            reweighted_scores=_reweighted_scores(spec),
            guided=next((f"`{f.name}` at {f.place}" for f, *_ in guided_factors(spec)), ""),
            nonconservative=nonconservative(spec, options),
            conditioned=any(f.given for f in spec.factors),
            paths=paths,
            length=max(lengths, default=1),
            extension=_extension(spec) if set(paths.values()) == {"prefix"} else "",
            tempering=tempering_reason(spec),
            far=far_factor(spec),
            separated=separated_reason(spec),
            raised_mixture=_raised_mixture(spec),
        )

    @property
    def sequential(self) -> bool:
        return bool(self.extension)


class Choice(NamedTuple):
    """A value for an option, and the reason for it."""

    value: Term
    reason: str


#: A decision, from a description of the product and the options that are set so far.
Decision = Callable[[PlannedProduct, Mapping[str, Term]], Choice]


def _rewarded(spec: PlanSpec) -> Literal["", "pictures", "text"]:
    names = {name for f in spec.factors if f.kind == "reward" for name in f.variables}
    for variable in spec.variables:
        if variable.name in names and variable.type.name in PICTURES:
            return "pictures"
        if variable.name in names and variable.type.name == "Tokens":
            return "text"
    return ""


def _reweighted_scores(spec: PlanSpec) -> bool:
    if any(v.type.name in PICTURES or v.space for v in spec.variables):
        return False
    return any(f.kind == "flow" and f.exponent != Const(1) for f in spec.factors)


def _path(variable: VariableSpec, factors: list[FactorSpec], spec: PlanSpec) -> Path:
    """The path that a variable's generative experts can take together."""
    if variable.type.name in SYMBOLS:
        return "prefix"
    capability_sets = [capabilities(f, spec) for f in factors]
    extending = ["extend" in c for c in capability_sets]
    if factors and all(extending):
        return "prefix"
    if any(extending) and not all("score" in c for c in capability_sets):
        return "prefix"
    return "flow" if factors else "temper"


def _extension(spec: PlanSpec) -> Extension:
    if any(v.type.name in SYMBOLS for v in spec.variables):
        return "symbols"
    capability_sets = [capabilities(f, spec) for f in section_experts(spec)]
    if all("log_prob" in c for c in capability_sets):
        return "densities"
    return "scores" if all("score" in c for c in capability_sets) else "draws"


def _raised_mixture(spec: PlanSpec) -> Term | None:
    if len(spec.factors) != 1 or len(spec.variables) != 1:
        return None
    (factor,) = spec.factors
    plain = factor.kind == "gaussian" and factor.part is None and not factor.loops
    exponent = factor.exponent.value if isinstance(factor.exponent, Const) else None
    raised = plain and not factor.mask and isinstance(exponent, int | float) and exponent > 1
    mixture = isinstance(factor.term, Apply) and factor.term.function == "mixture"
    return factor.term if raised and mixture else None
