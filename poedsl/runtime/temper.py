"""The tempering path: p_b = p_0^(1 - b) target^b, from a Gaussian to any density (Neal 2001).

It asks for densities alone: no expert needs noised marginals, and exponents need not sum to
anything. p_0 is N(0, I) in the coordinates of the run; the base's normaliser is known, so that the
weights give the evidence of the target.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.runtime.evaluate import margins
from poedsl.runtime.path import FlowPath, Stage
from poedsl.runtime.state import Evaluation
from poedsl.runtime.target import Target, Tilt


def temper_path(steps: int, device: torch.device) -> FlowPath:
    """Stages with b = (k / steps)^3: fine where the target first bends the base."""
    flow = FlowPath.build(steps, torch.ones(1, device=device))
    stages = (Stage(steps + 1 - k, (k / steps) ** 1.5, 1.0) for k in range(steps + 1))
    return replace(flow, stages=tuple(stages))


@dataclass(slots=True)
class TemperedTarget(Target):
    """The product of a plan, raised to the power of a stage's ``beta`` beside its base."""

    @property
    def has_density(self) -> bool:
        return True

    @property
    def terminal(self) -> bool:
        return True

    @property
    def guides(self) -> tuple[Tilt, ...]:
        """None: what has a gradient is part of the density."""
        return ()

    @property
    def differentiates(self) -> bool:
        return True

    def _evaluate(self, x: Float[Tensor, "L D"], stage: Stage) -> Evaluation:
        b = stage.beta
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            total = (1 - b) * (-0.5 * (point.square() + math.log(2 * math.pi))).sum(-1)
            if b > 0:
                total = total + b * self.log_density(point, b)
            (score,) = torch.autograd.grad(total.sum(), point)
        score = score.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
        return Evaluation(score, None, total.detach(), point.detach() if self.tilts else None)

    def log_density(self, x: Float[Tensor, "L D"], b: float) -> Float[Tensor, " L"]:
        """Log of the product in the run's coordinates; conditions are hard at b = 1 only."""
        logs = self.space.scale.log()
        total = logs.sum().expand(len(x))
        for anchor in self.anchors:
            self._count(anchor.name, len(x))
            log_density = anchor.expert.noised(x[:, anchor.part], 1.0, 0.0).log_density
            assert log_density is not None
            total = total + anchor.exponent * (log_density - logs[anchor.part].sum())
        values = self.space.values(x)
        env = self.environment.with_values(values)
        for tilt in self.tilts:
            if tilt.guiding:
                self._count(tilt.name, len(x))
                relaxed = tilt.kind == "where" and b < 1
                total = total + (self._soft(tilt, x, 1 - b) if relaxed else tilt.log_value(env))
        return total

    def _soft(self, tilt: Tilt, x: Float[Tensor, "L D"], spread: float) -> Float[Tensor, " L"]:
        """Log of the chance that a condition holds within ``spread`` of a point."""
        found = margins(tilt.term, self.environment.with_values(self.space.values(x)))
        assert found is not None
        total = torch.zeros(len(x), device=x.device)
        for margin in found:
            for one in margin.reshape(len(margin), -1).unbind(1):
                (slope,) = torch.autograd.grad(one.sum(), x, retain_graph=True)
                width = spread * slope.norm(dim=-1).clamp(min=1e-12)
                total = total + torch.special.log_ndtr(one / width)
        return total
