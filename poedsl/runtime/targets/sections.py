"""The prefix path over numbers: a variable grows along its first size by the sections that an
expert draws (Zhang et al., 3.3 and C.2).

The target after k sections is prod_i p_i(x_1 .. x_k)^(w_i) times the rewards at the prefix as the
proposing expert would complete it without noise. The first expert proposes; the others weigh by
their conditionals. Kernels revisit the whole prefix.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from poedsl.experts.protocol import Sectional
from poedsl.runtime.core.faults import FactorFault
from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.prefix_stages import PrefixStage
from poedsl.runtime.targets.relaxed_rewards import softened
from poedsl.runtime.targets.target import Target


@dataclass(frozen=True, slots=True)
class SectionFactor:
    """An expert of sections, to a power."""

    name: str
    place: str
    expert: Sectional
    exponent: float


@dataclass(frozen=True, slots=True)
class Sections(Space):
    """One variable as it is; what is not there yet is shown as zeros."""

    def shaped(self, y: Float[Tensor, "L d"]) -> dict[str, Float[Tensor, L * shape]]:
        """The variable in its own shape."""
        ((name, shape),) = self.shapes.items()
        return {name: pad(y, (0, self.size - y.shape[1])).view(-1, *shape)}


@dataclass(frozen=True, slots=True)
class SectionTarget(Target):
    """The product of a plan over prefixes; points are (L, d), with d the numbers that are there."""

    extenders: tuple[SectionFactor, ...] = ()

    @property
    def has_density(self) -> bool:
        return all(e.expert.has_density for e in self.extenders)

    @property
    def factor_exponents(self) -> dict[str, float]:
        exponents = {e.name: e.exponent for e in self.extenders}
        return exponents | {t.name: t.exponent for t in self.reward_factors}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole; its first size counts sections."""
        (shape,) = self.space.shapes.values()
        return shape

    def prefix(self, x: Float[Tensor, "L d"]) -> Float[Tensor, "L k *rest"]:
        """Points as experts see them."""
        rest = self.shape[1:]
        return x.view(len(x), x.shape[1] // math.prod(rest), *rest)

    def extended(
        self, x: Float[Tensor, "L d"], noise: Float[Tensor, "L more"]
    ) -> Float[Tensor, "L d+more"]:
        """Points with the sections that the first expert makes of standard normals."""
        first = self.extenders[0]
        for section in self.prefix(noise).unbind(1):
            after = first.expert.extend(self.prefix(x), section)
            x = torch.cat([x, after.flatten(1)], 1)
            self._count(first.name, len(x))
        return x

    def endpoint(
        self, x: Float[Tensor, "L d"], at: Evaluation, stage: PrefixStage
    ) -> Float[Tensor, "L D"]:
        """The prefix as the first expert completes it without noise."""
        if at.endpoint is not None:
            return at.endpoint
        return self.extended(x, x.new_zeros(len(x), self.space.size - x.shape[1]))

    def scores(self, x: Float[Tensor, "L d"], stage: PrefixStage) -> Float[Tensor, "L d"]:
        return self.evaluate(x, stage).score

    def _evaluate(
        self,
        x: Float[Tensor, "L d"],
        stage: PrefixStage,
        signs: Float[Tensor, "L d"] | None = None,
        expert_scores: bool = False,
    ) -> Evaluation:
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            logs = self.log_prefixes(point)
            over_proposal, score = x.new_zeros(len(x)), torch.zeros_like(x)
            total = torch.stack([e.exponent * logs[e.name] for e in self.extenders]).sum(0)
            if self.has_density:
                (score,) = torch.autograd.grad(total.sum(), point)
                over_proposal = (total - logs[self.extenders[0].name]).detach()
            elif len(self.extenders) > 1:
                over_proposal = total.detach()
        density = total.detach() if self.has_density else None
        at = Evaluation(score, None, density, over_proposal=over_proposal)
        return replace(at, **self.ahead(x, stage)) if self.reward_factors else at

    def log_prefixes(self, x: Float[Tensor, "L d"]) -> dict[str, Float[Tensor, " L"]]:
        """Each expert's log density of the prefix; zeros where it has none, and for the empty one.

        Only the first expert may be without a density, with exponent one; its density cancels.
        """
        out: dict[str, Tensor] = {}
        for e in self.extenders:
            out[e.name] = x.sum(1) * 0
            if e.expert.has_density and x.shape[1]:
                out[e.name] = e.expert.log_prob(self.prefix(x))
                self._count(e.name, len(x))
        return out

    def ahead(self, x: Float[Tensor, "L d"], stage: PrefixStage) -> dict[str, Tensor]:
        """The completed prefix and, where rewards have a gradient, their value there and its slope.

        The noise of what is to come blurs a reward r, to first order by |dr / d noise|^2 / 2, and
        it counts as what that leaves of it.
        """
        if not self.differentiable:
            empty = Evaluation(x)
            return {"endpoint": self.endpoint(x, empty, stage)}
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            noise = x.new_zeros(len(x), self.space.size - x.shape[1], requires_grad=True)
            end = self.extended(point, noise)
            env = self.environment.with_values(self.space.values(end))
            value = torch.stack([t.log_value(env) for t in self.differentiable]).sum(0)
            if noise.shape[1]:
                spread = slopes(value, noise, create_graph=True)
                value, _ = softened(value, 0.5 * spread.square().sum(-1))
            slope = slopes(value, point)
        for reward_factor in self.differentiable:
            self._count(reward_factor.name, len(x))
        return {"endpoint": end.detach(), "log_reward": value.detach(), "reward_score": slope}

    def _log_values(self, y: Float[Tensor, "L D"]) -> dict[str, Float[Tensor, " L"]]:
        with torch.no_grad():
            logs = self.log_prefixes(y)
        densities = {e.name: logs[e.name] for e in self.extenders if e.expert.has_density}
        return {**densities, **Target._log_values(self, y)}

    def faults(self, x: Float[Tensor, "L d"], stage: PrefixStage) -> Iterator[FactorFault]:
        """Each factor, with the number of points at which it is not finite."""
        lost = ~torch.isfinite(x).all(-1)
        first = self.extenders[0]
        yield FactorFault(first.name, first.place, int(lost.sum()))
        with torch.no_grad():
            for e in self.extenders:
                bad = ~torch.isfinite(self.log_prefixes(x)[e.name])
                yield FactorFault(e.name, e.place, int(bad.sum()))
            end = self.endpoint(x, Evaluation(x), stage)
            env = self.environment.with_values(self.space.values(end))
            for reward_factor in self.reward_factors:
                value = reward_factor.log_value(env)
                yield FactorFault(
                    reward_factor.name,
                    reward_factor.place,
                    int((torch.isnan(value) | (value == math.inf)).sum()),
                )


def slopes(
    value: Float[Tensor, " L"], at: Float[Tensor, "L d"], *, create_graph: bool = False
) -> Float[Tensor, "L d"]:
    """The gradient of each value; zero where it does not depend on what it is taken by."""
    if not value.requires_grad:
        return torch.zeros_like(at)
    (slope,) = torch.autograd.grad(
        value.sum(), at, create_graph=create_graph, allow_unused=True, materialize_grads=True
    )
    return slope.nan_to_num()
