"""Whether a product could be trusted, from evaluations that a run makes anyway (Soiffer et al.).

At a few stages of the path the experts' own scores are observed, at the points that a move led to.

Factorization: the Feynman-Kac rate vanishes for factorized conditionals (Theorem 3). Its standard
deviation over the particles, integrated over log alpha, tells how far the experts are from that.

Disagreement: the share of the scores' squares, by the size of the exponents, that is left when
their common mean is taken off; zero where all experts pull alike.

Range: the noise that an expert sees in a point, eps-hat = -sigma s = E[eps | x_t], has at its own
samples a mean square of at most one a component, whatever its data are, since the mean of a square
is no less than the square of a mean. Particles whose predicted noise exceeds that are where the
expert has no samples. An expert with a density is right there too; a learned one extrapolates, its
errors grow with the distance, and weights select them, so that more particles make things worse.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.core.warnings import RunWarning, of_factors
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.targets.expert_factor import ExpertFactor
from poedsl.runtime.targets.target import Target

#: Stages that are observed, and the most particles at each.
STAGES, PARTICLES = 6, 512
#: Largest mean square of predicted noise that passes. Own samples have at most 1. In islands of 16,
#: the settings of benchmarks/mixtures.py in distribution have up to 0.95 (but for mixtures learned
#: from 100 samples), those out of it 1.46 and more.
NOISE = 1.2
#: Spread of the rate below which experts count as factorized: in the same settings factorized ones
#: have up to 0.28, if exact or learned from 1,000 samples or more, and others 0.53 and more.
RATE_SPREAD = 0.4


@dataclass(frozen=True, slots=True)
class StageObservation:
    """One stage.

    Attributes:
        t: the number of the stage.
        alpha: the scale of the signal there.
        spread: standard deviation of the rate over the particles, per unit of log alpha.
        disagreement: 0 where all scores are alike, at most 1.
        noise: each expert's mean square of predicted noise, a component.
    """

    t: int
    alpha: float
    spread: float
    disagreement: float
    noise: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One expert of the product.

    Attributes:
        name: of the factor.
        place: in the program.
        learned: whether it may be wrong where it has no samples: it gives a score and no density.
        limit: of the mean square of its predicted noise, chance allowed for.
    """

    name: str
    place: str
    learned: bool
    limit: float


@dataclass(frozen=True, slots=True, repr=False)
class Composition:
    """The composition report of a run.

    Attributes:
        members: the experts.
        observations: one for each stage that was observed, in their order.
        corrected: whether importance weights correct for the mismatch between moves and path.
    """

    members: tuple[Member, ...]
    observations: tuple[StageObservation, ...]
    corrected: bool

    def __repr__(self) -> str:
        names = ", ".join(m.name for m in self.members)
        return f"Composition({names}: {' '.join(self.findings())})"

    @property
    def rate_spread(self) -> float:
        """How far from factorized: the standard deviation of the rate, integrated over log
        alpha.
        """
        steps = pairwise(
            (observation.alpha, observation.spread) for observation in self.observations
        )
        return sum(0.5 * (s + r) * math.log(b / a) for (a, s), (b, r) in steps)

    @property
    def disagreement(self) -> float:
        """The most that the scores disagree at any stage."""
        return max(observation.disagreement for observation in self.observations)

    @property
    def noise(self) -> dict[str, float]:
        """The most of each expert's mean square of predicted noise at any stage."""
        most = (
            max(values)
            for values in zip(
                *(observation.noise for observation in self.observations), strict=True
            )
        )
        return {m.name: n for m, n in zip(self.members, most, strict=True)}

    @property
    def outside(self) -> tuple[Member, ...]:
        """The experts whose own samples do not reach as far as the particles."""
        return tuple(m for m in self.members if self.noise[m.name] > m.limit)

    @property
    def warnings(self) -> tuple[RunWarning, ...]:
        """A sentence for every learned expert that the product leads out of its range."""
        return tuple(
            RunWarning(
                "P1006",
                f"`{m.name}` at {m.place} is outside the range of its own samples: the noise that "
                f"it sees in the particles has a mean square of {self.noise[m.name]:.3g}, where 1 "
                "is the most; a learned expert is wrong there, and more particles are expected to "
                "hurt",
                of_factors([(m.name, m.place)]) | {"noise": self.noise[m.name], "limit": m.limit},
            )
            for m in self.outside
            if m.learned
        )

    @property
    def trusted(self) -> bool:
        return not self.warnings

    def as_json(self) -> dict[str, Any]:
        """Numbers and words, as ``result.json`` holds them."""
        return {
            "trusted": self.trusted,
            "corrected": self.corrected,
            "rate_spread": self.rate_spread,
            "disagreement": self.disagreement,
            "experts": [{**asdict(m), "noise": self.noise[m.name]} for m in self.members],
            "observations": [asdict(observation) for observation in self.observations],
            "findings": list(self.findings()),
        }

    def findings(self) -> tuple[str, ...]:
        """The report in words, without the warnings."""
        if self.rate_spread < RATE_SPREAD:
            verdict = "The experts are close to factorized"
            then = "the sum of their scores is nearly the product's score all along the path"
        else:
            verdict = "The experts are not factorized"
            then = "the sum of their scores is not the product's score on the path, and "
            then += "importance weights correct" if self.corrected else "nothing corrects"
            then += " for the difference"
        out = [
            f"{verdict} (the log weights spread by {self.rate_spread:.2g} along the path): {then}.",
            f"Their scores disagree by up to {100 * self.disagreement:.0f} %.",
        ]
        exact = [f"`{m.name}`" for m in self.outside if not m.learned]
        if not self.outside:
            out.append("The particles are within the range of every expert's own samples.")
        if exact:
            out.append(
                f"The particles are outside the usual range of {', '.join(exact)}, which does no "
                "harm to an expert that is known exactly."
            )
        return tuple(out)


@dataclass(frozen=True, slots=True)
class Observer:
    """Collects observations of the experts' scores at some stages.

    Attributes:
        target: of the run.
        corrected: as in `Composition`.
        exponents: of each expert on each component, zero where it does not see it.
        stages: the numbers of those that are observed.
        observations: of the stages so far.
    """

    target: Target
    corrected: bool
    exponents: Float[Tensor, "E D"]
    stages: frozenset[int]
    observations: list[tuple[NoisingStage, Float[Tensor, " E+2"]]] = field(default_factory=list)

    @classmethod
    def of(cls, target: Target, stages: Sequence[NoisingStage], *, corrected: bool) -> Observer:
        """The start and the end of the path are left out, and so are targets of one expert."""
        loc = target.space.loc
        exponents = loc.new_zeros(len(target.experts), len(loc))
        for row, factor in zip(exponents, target.experts, strict=True):
            row[factor.part] = factor.exponent
        inner = stages[1:-1] if len(target.experts) > 1 else ()
        count = min(STAGES, len(inner))
        chosen = (inner[(2 * k + 1) * len(inner) // (2 * count)].t for k in range(count))
        return cls(target, corrected, exponents, frozenset(chosen))

    def state(self) -> SavedState:
        return {"observations": [[stage.t, values] for stage, values in self.observations]}

    def restored(self, state: SavedState, stages: Sequence[NoisingStage]) -> Observer:
        """With the observations of a `state`, at stages of the path, in the place of its own."""
        by_number = {stage.t: stage for stage in stages}
        observations = [(by_number[t], values) for t, values in state["observations"]]
        return replace(self, observations=observations)

    def noted(self, x: Float[Tensor, "L D"], at: Evaluation, stage: NoisingStage) -> Evaluation:
        """Observe the scores of the experts; the evaluation without them."""
        if at.expert_scores is None:
            return at
        self.observations.append((stage, self.observe(x, at.expert_scores, stage)))
        return replace(at, expert_scores=None)

    def observe(
        self, x: Float[Tensor, "L D"], scores: Float[Tensor, "L E D"], stage: NoisingStage
    ) -> Float[Tensor, " E+2"]:
        """The rate's spread, the disagreement, and the noise that each expert sees."""
        every = -(-len(x) // PARTICLES)
        x, scores, w = x[::every], scores[::every], self.exponents
        squares, pulls, size = scores.square(), w * scores, w.abs()
        total = pulls.sum(1)
        rate = ((total + (w.sum(0) - 1) * x) * total).sum(-1) - (pulls * scores).sum((1, 2))
        sizes = (size * squares).sum()
        alike = ((size * scores).sum(1).square() / size.sum(0)).sum()
        spread = (rate - rate.mean()).square().mean().sqrt()
        noise = stage.sigma**2 * squares.mean(0).sum(-1) / (w != 0).sum(1)
        return torch.cat([torch.stack([spread, 1 - alike / sizes]), noise])

    def composition(self, particles: int) -> Composition | None:
        """The report; None without observations."""
        shown = [(stage, values.tolist()) for stage, values in self.observations]
        observations = tuple(
            StageObservation(stage.t, stage.alpha, values[0], values[1], tuple(values[2:]))
            for stage, values in shown
            if all(map(math.isfinite, values))
        )
        if not observations:
            return None
        counts = (self.exponents != 0).sum(1).tolist()
        sample_size = min(particles, PARTICLES)
        members = tuple(
            Member(a.name, a.place, _learned(a), NOISE + 3 * math.sqrt(2 / (sample_size * n)))
            for a, n in zip(self.target.experts, counts, strict=True)
        )
        return Composition(members, observations, self.corrected)


def _learned(factor: ExpertFactor) -> bool:
    """Whether its noise prediction is E[eps | x_t] of its own data, and may be wrong: guidance and
    parents make it something else, and densities are taken at their word.
    """
    expert = factor.expert
    return not expert.has_density and expert.calls_per_evaluation == 1 and factor.guidance is None
