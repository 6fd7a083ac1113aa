"""The factors of a product, and their values at points at the end of the path."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from poedsl.runtime.core.faults import AutoencoderFault, FactorFault, Fault
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.constraint_and_reward_potentials import RewardFactor
from poedsl.runtime.targets.expert_factor import ExpertFactor
from poedsl.runtime.terms.evaluate import Environment


@dataclass(frozen=True, slots=True)
class Product:
    """The product of a plan: its factors, each on its components.

    Attributes:
        exponents: W, the sum of the experts' exponents, for each component.
        microbatch: particles evaluated at once; None for all.
        squares: whether evaluations hold sum_i w_i |s_i|^2.
        warnings: what is odd about the factors, for these inputs.
        calls: evaluations of each factor so far, in particles.
    """

    space: Space
    experts: tuple[ExpertFactor, ...]
    reward_factors: tuple[RewardFactor, ...]
    environment: Environment
    exponents: Float[Tensor, " #D"]
    microbatch: int | None = None
    squares: bool = True
    warnings: tuple[str, ...] = ()
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def has_density(self) -> bool:
        return all([a.expert.has_density and not a.field for a in self.experts])

    @property
    def evidence_shift(self) -> float:
        """Log Z in the coordinates of the path less log Z in the variables' own units."""
        return float(((self.exponents.double() - 1) * self.space.scale.double().log()).sum())

    @property
    def terminal(self) -> bool:
        """Whether all experts can be evaluated at the data end of the path."""
        return all(a.expert.terminal and a.guidance is None for a in self.experts)

    @property
    def inference_mode(self) -> bool:
        """Whether evaluations may run in torch's inference mode: generative experts alone may, for
        rewards of the user's own may take gradients.
        """
        alone = bool(self.experts) and not self.reward_factors
        return alone and all(a.guidance is None and a.expert.inference_mode for a in self.experts)

    @property
    def factor_exponents(self) -> dict[str, float]:
        """The exponents of factors that are powers of a density, or of a reward."""
        experts = {
            a.name: a.exponent
            for a in self.experts
            if isinstance(a.exponent, float) and a.guidance is None
        }
        return experts | {t.name: t.exponent for t in self.reward_factors}

    @property
    def differentiable(self) -> tuple[RewardFactor, ...]:
        """Rewards and constraints that moves and kernels follow by their gradient."""
        return tuple(t for t in self.reward_factors if t.differentiable)

    @property
    def black_box(self) -> tuple[RewardFactor, ...]:
        """Rewards and constraints without a gradient, which weights alone follow."""
        return tuple(t for t in self.reward_factors if not t.differentiable)

    def black_box_value(
        self, endpoint: Shaped[Tensor, "L D"], *, final: bool
    ) -> Float[Tensor, " L"]:
        """The black-box rewards at an endpoint; conditions among them only when it is final."""
        return self._rewards_at(endpoint, [t for t in self.black_box if final or t.kind != "where"])

    def exact(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """The differentiable reward_factors at the end of the path."""
        return self._rewards_at(x, list(self.differentiable))

    def _rewards_at(
        self, x: Shaped[Tensor, "L D"], reward_factors: list[RewardFactor]
    ) -> Float[Tensor, " L"]:
        total = self.space.loc.new_zeros(len(x))
        if not reward_factors:
            return total
        size = self.microbatch or len(x)
        with torch.no_grad():
            chunks = []
            for chunk in torch.split(x, size):
                env = self.environment.with_values(self.space.values(chunk))
                values = [t.log_value(env) for t in reward_factors]
                chunks.append(torch.stack([v.expand(len(chunk)) for v in values]).sum(0))
            for reward_factor in reward_factors:
                self._count(reward_factor.name, len(x))
        return torch.cat(chunks)

    def log_values(self, x: Shaped[Tensor, "L D"]) -> dict[str, Float[Tensor, " L"]]:
        """Each factor's own log value at the end of the path, where it has one."""
        return self._log_values(self.space.supported(x)[0])

    def _log_values(self, y: Shaped[Tensor, "L D"]) -> dict[str, Float[Tensor, " L"]]:
        chunks = [self._each_log_value(c) for c in torch.split(y, self.microbatch or len(y))]
        return {name: torch.cat([c[name] for c in chunks]) for name in chunks[0]}

    def _each_log_value(self, y: Shaped[Tensor, "L D"]) -> dict[str, Float[Tensor, " L"]]:
        env = self.environment.with_values(self.space.shaped(y))
        out: dict[str, Tensor] = {}
        with torch.no_grad():
            for factor in self.experts:
                if factor.expert.has_density:
                    log_density = factor.expert.noised(y[:, factor.part], 1.0, 0.0).log_density
                    assert log_density is not None
                    out[factor.name] = log_density - self.space.scale[factor.part].log().sum()
            for reward_factor in self.reward_factors:
                if reward_factor.exponent:
                    out[reward_factor.name] = (
                        reward_factor.log_value(env) / reward_factor.exponent
                    ).expand(len(y))
        return out

    def sites(self, x: Shaped[Tensor, "L D"]) -> dict[str, dict[str, Tensor]]:
        """The values of the sites of each factor that is a model, (L, ...)."""
        models = {t.name: t.sites for t in self.reward_factors if t.sites is not None}
        if not models:
            return {}
        env = self.environment.with_values(self.space.values(x))
        return {name: sites(env) for name, sites in models.items()}

    def log_product(self, x: Shaped[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log of the target at points in the variables' own units, where factors have a density."""
        values = self._log_values((x - self.space.loc) / self.space.scale)
        powers = self.factor_exponents
        weighted = [powers[name] * value for name, value in values.items() if powers[name]]
        return torch.stack([self.space.loc.new_zeros(len(x)), *weighted]).sum(0)

    def faults(self, x: Float[Tensor, "L D"], stage: Any) -> Iterator[Fault]:
        """Each factor, with the number of points at which it is not finite."""
        point, _ = self.space.supported(x.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0))
        noisy = (
            stage if stage.sigma > 0 or self.terminal else NoisingStage(stage.t, 0.9999, 0.01414)
        )
        with torch.no_grad():
            for factor in self.experts:
                score = factor.expert.noised(point[:, factor.part], noisy.alpha, noisy.sigma).score
                bad = int((~torch.isfinite(score).all(-1)).sum())
                yield FactorFault(factor.name, factor.place, bad)
            values = self.space.shaped(point)
            for name, codec in self.space.codecs.items():
                finite = torch.isfinite(values[name]).flatten(1).all(1)
                yield AutoencoderFault(name, str(codec.folder), int((~finite).sum()))
            env = self.environment.with_values(values)
            for reward_factor in self.reward_factors:
                value = reward_factor.log_value(env)
                yield FactorFault(
                    reward_factor.name,
                    reward_factor.place,
                    int((torch.isnan(value) | (value == math.inf)).sum()),
                )

    def _count(self, name: str, particles: int) -> None:
        self.calls[name] = self.calls.get(name, 0) + particles
