"""The target at a stage: all experts evaluated once, rewards at the predicted endpoint."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.protocol import Noised
from poedsl.runtime.core.particles import Evaluation
from poedsl.runtime.path.control_drift import Basis, diverged
from poedsl.runtime.path.noising_path import NoisingStage
from poedsl.runtime.targets.constraint_and_reward_potentials import RewardFactor
from poedsl.runtime.targets.expert_factor import ExpertFactor
from poedsl.runtime.targets.margin_dependence import Dependence
from poedsl.runtime.targets.parent_guidance import guided_score
from poedsl.runtime.targets.product import Product
from poedsl.runtime.targets.relaxed_constraints import log_chance, reads
from poedsl.runtime.targets.relaxed_rewards import LIMIT, softened
from poedsl.runtime.targets.stage_protocol import StageLike
from poedsl.runtime.terms.evaluate import Environment
from poedsl.runtime.terms.unrolled import base_name


@dataclass(frozen=True, slots=True)
class Target(Product):
    """The product on the noising path. The type of a stage is that of the path."""

    _shares: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    _reads: dict[str, Dependence] = field(default_factory=dict)

    def evaluable(self, stage: StageLike) -> bool:
        """Whether the experts can be evaluated at a stage: learned flows cannot at its end."""
        return stage.noise_scale > 0 or self.terminal

    def evaluate(
        self,
        x: Float[Tensor, "L D"],
        stage: Any,
        signs: Float[Tensor, "L D"] | None = None,
        *,
        expert_scores: bool = False,
    ) -> Evaluation:
        """All experts at ``x``, in micro-batches.

        Args:
            signs: random ones, where the evaluation is to serve control drifts.
            expert_scores: whether it is to hold every expert's own score.
        """
        if self.microbatch is None or self.microbatch >= x.shape[0]:
            return self._evaluate(x, stage, signs, expert_scores)
        chunks = torch.split(x, self.microbatch)
        rows = [None] * len(chunks) if signs is None else torch.split(signs, self.microbatch)
        pairs = zip(chunks, rows, strict=True)
        parts = [self._evaluate(c, stage, r, expert_scores) for c, r in pairs]
        return parts[0].joined(parts[1:])

    def scores(self, x: Float[Tensor, "L D"], stage: Any) -> Float[Tensor, "L D"]:
        """S alone, without rewards, in micro-batches."""
        chunks = torch.split(x, self.microbatch or len(x))
        return torch.cat([self._experts(c, stage).score.detach() for c in chunks])

    def _evaluate(
        self,
        x: Float[Tensor, "L D"],
        stage: Any,
        signs: Float[Tensor, "L D"] | None = None,
        expert_scores: bool = False,
    ) -> Evaluation:
        if not self.differentiable:
            return self._experts(x, stage, signs, expert_scores)
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            at = self._experts(point, stage, signs, expert_scores)
        assert at.endpoint is not None
        log_reward, pull = self._rewards(at.endpoint.detach(), stage)
        (reward_score,) = torch.autograd.grad(at.endpoint, point, pull)
        return replace(at.detached(), log_reward=log_reward, reward_score=reward_score)

    def _experts(
        self,
        x: Float[Tensor, "L D"],
        stage: NoisingStage,
        signs: Float[Tensor, "L D"] | None = None,
        expert_scores: bool = False,
    ) -> Evaluation:
        whole = slice(0, self.space.size)
        score: Tensor | None = None
        squares: Tensor | None = None
        log_density: Tensor | None = None
        shared: Tensor | None = None
        has_density = self.has_density
        above = {p.name for a in self.experts if a.guidance is not None for p in a.guidance.parents}
        scores: dict[str, Tensor] = {}
        score_rows: dict[str, Tensor] = {}
        basis = None if signs is None else Basis(x, stage.alpha)
        for factor in sorted(self.experts, key=lambda a: a.guidance is not None):
            part = None if isinstance(factor.part, slice) and factor.part == whole else factor.part
            w = factor.exponent
            x_part = x if part is None else x[:, part]
            if basis is None or signs is None:
                noised = self._noised(factor, x_part, scores, stage)
            else:
                noised, divergence = diverged(
                    factor.expert, x_part, stage.alpha, stage.sigma, signs[:, factor.part]
                )
                self._count(factor.name, len(x) * factor.expert.calls_per_evaluation)
                field = _added(None, 1.0, noised.score + x_part, x, part)
                basis.add(base_name(factor.name), field, divergence + x_part.shape[-1])
            if factor.name in above:
                scores[factor.name] = noised.score.detach()
            if expert_scores:
                score_rows[factor.name] = _added(None, 1.0, noised.score, x, part)
            pulled = noised.score if isinstance(w, float) and w == 1 else w * noised.score
            score = _added(score, 1.0, pulled, x, part)
            if self.squares:
                square = (pulled * noised.score).sum(-1)
                squares = square if squares is None else squares + square
            if self.reward_factors and stage.sigma > 0:
                share = self.shares(stage)[factor.name]
                shared = _added(shared, share, noised.score, x, part)
            if has_density and noised.log_density is not None:
                log_density = _added(log_density, w, noised.log_density, x, None)
        assert score is not None
        endpoint = None
        if self.reward_factors:
            endpoint = (
                x / stage.alpha if shared is None else (x + stage.sigma**2 * shared) / stage.alpha
            )
        rows = torch.stack([score_rows[a.name] for a in self.experts], 1) if score_rows else None
        evaluation = Evaluation(score, squares, log_density, endpoint, expert_scores=rows)
        if basis is None:
            return evaluation
        fields, gains = basis.at(score)
        return replace(evaluation, fields=fields, gains=gains)

    def _noised(
        self,
        factor: ExpertFactor,
        x: Float[Tensor, "L D"],
        scores: dict[str, Tensor],
        stage: NoisingStage,
    ) -> Noised:
        """An expert by itself, or drawn to its parents, whose scores are there."""
        calls = x.shape[0] * factor.expert.calls_per_evaluation
        guidance = factor.guidance
        if guidance is None:
            self._count(factor.name, calls)
            return factor.expert.noised(x, stage.alpha, stage.sigma)
        self._count(factor.name, calls * guidance.evaluations)
        parent = torch.stack([p.share * scores[p.name][:, p.index] for p in guidance.parents]).sum(
            0
        )
        return Noised(guided_score(factor.expert, x, parent, guidance, stage))

    def shares(self, stage: NoisingStage) -> dict[str, Tensor]:
        """Each expert's say in the predicted endpoint, and under ``""`` that endpoint's variance.

        The endpoint is the mean of the experts' own, x1_hat_i = (x + sigma^2 s_i) / alpha, by
        exponent times precision. With equal precisions it is sum_i w_i x1_hat_i / W (Zhang et
        al., Eq. 8); with unequal ones that would follow the expert that knows least.
        """
        if stage.t not in self._shares:
            total = torch.zeros_like(self.space.loc)
            weights: dict[str, Tensor] = {}
            for factor in self.experts:
                expert_precision = factor.expert.endpoint_precision(stage.alpha, stage.sigma)
                precision = torch.as_tensor(
                    expert_precision, dtype=total.dtype, device=total.device
                )
                weights[factor.name] = factor.exponent * precision
                total[factor.part] += weights[factor.name]
            floor = self.exponents.expand(self.space.size) * stage.alpha**2 / stage.sigma**2
            total = torch.where(total > floor, total, floor + self.exponents)
            shares = {a.name: weights[a.name] / total[a.part] for a in self.experts}
            self._shares[stage.t] = {**shares, "": 1 / total}
        return self._shares[stage.t]

    def endpoint(self, x: Float[Tensor, "L D"], at: Evaluation, stage: Any) -> Float[Tensor, "L D"]:
        """The predicted endpoint; without rewards that of equal precisions."""
        if at.endpoint is not None:
            return at.endpoint
        predicted: Tensor = (x + stage.sigma**2 * at.score / self.exponents) / stage.alpha
        return predicted

    def _rewards(
        self, endpoint: Float[Tensor, "L D"], stage: NoisingStage
    ) -> tuple[Float[Tensor, " L"], Float[Tensor, "L D"]]:
        """log q_t, and the gradient with respect to the endpoint that kernels follow."""
        total = endpoint.new_zeros(len(endpoint))
        pull = torch.zeros_like(endpoint)
        with torch.enable_grad():
            point = endpoint.detach().requires_grad_()
            env = self.environment.with_values(self.space.values(point))
        for reward_factor in sorted(self.differentiable, key=lambda t: t.kind != "where"):
            self._count(reward_factor.name, len(endpoint))
            value, gradient = self._relaxed(reward_factor, env, point, stage)
            total = torch.where(total == -math.inf, total, total + value)
            pull = pull + gradient
        return total, pull

    def _relaxed(
        self,
        reward_factor: RewardFactor,
        env: Environment,
        point: Float[Tensor, "L D"],
        stage: NoisingStage,
    ) -> tuple[Float[Tensor, " L"], Float[Tensor, "L D"]]:
        """A reward_factor as far as the endpoint is known, whose variance is that of `shares`.

        A condition counts as the log of the chance that it will hold. A reward r counts as r |r| /
        (|r| + |spread grad r|^2 / 2), which below zero is what averaging over the spread makes of a
        quadratic one. Both are exact at the end of the path. The gradient takes the spread of r for
        constant. A reward that has no finite value at the endpoint does not count yet.

        Args:
            env: with the variables' values at ``point``, which is followed.
        """
        with torch.enable_grad():
            if reward_factor.kind == "where":
                return self._relaxed_condition(reward_factor, env, point, stage)
            value = reward_factor.log_value(env)
            slope = torch.zeros_like(point)
            if value.requires_grad:
                (slope,) = torch.autograd.grad(value.sum(), point, retain_graph=True)
        value = value.detach()
        if stage.sigma == 0:
            return value, slope
        slope = torch.where(value.isfinite()[:, None], slope.nan_to_num(), 0.0)
        slope = slope.clamp(-LIMIT, LIMIT)
        blur = 0.5 * (self.shares(stage)[""] * slope.square()).sum(-1)
        value, rate = softened(value, blur)
        return value, rate[:, None] * slope

    def _relaxed_condition(
        self, reward_factor: RewardFactor, env: Environment, point: Tensor, stage: NoisingStage
    ) -> tuple[Tensor, Tensor]:
        if stage.sigma == 0:
            return reward_factor.log_value(env).detach(), torch.zeros_like(point)
        spread = self.shares(stage)[""].sqrt()
        logs = self.log_chance(reward_factor, point, spread)
        if not logs.requires_grad:
            return logs, torch.zeros_like(point)
        (gradient,) = torch.autograd.grad(logs.sum(), point)
        return logs.detach(), gradient.nan_to_num()

    def log_chance(
        self, reward_factor: RewardFactor, point: Float[Tensor, "L D"], spread: Float[Tensor, " #D"]
    ) -> Float[Tensor, " L"]:
        """Log of the chance that a condition holds within a spread of a point."""
        term, env, space = reward_factor.term, self.environment, self.space
        if reward_factor.name not in self._reads:
            self._reads[reward_factor.name] = reads(term, env, space)
        return log_chance(term, env, space, self._reads[reward_factor.name], point, spread)

    def black_box_at(
        self, x: Float[Tensor, "L D"], at: Evaluation | None, stage: Any
    ) -> Float[Tensor, " L"]:
        """The black-box rewards as they count at a stage: at the predicted endpoint."""
        return self.black_box_value(x if at is None else self.endpoint(x, at, stage), final=False)


def _added(
    total: Tensor | None,
    weight: float | Tensor,
    term: Tensor,
    x: Tensor,
    part: slice | Tensor | None,
) -> Tensor:
    """The sum with ``weight`` times ``term``, which is zero outside its part."""
    if isinstance(weight, Tensor) or weight != 1:
        term = weight * term
    if part is not None:
        full = torch.zeros_like(x)
        full[:, part] = term
        term = full
    return term if total is None else total + term
