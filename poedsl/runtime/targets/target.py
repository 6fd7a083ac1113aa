"""The target at a stage: all experts evaluated once, rewards at the predicted endpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from poedsl.compiler.plan.terms import Term
from poedsl.experts.protocol import Generative, Noised
from poedsl.runtime.build.evaluate import Environment, evaluate
from poedsl.runtime.build.unrolled import base_name
from poedsl.runtime.path.control_drift import Basis, diverged
from poedsl.runtime.path.noising_path import Stage
from poedsl.runtime.smc.particles import Evaluation
from poedsl.runtime.smc.random_numbers import Noise
from poedsl.runtime.space.coordinates import Space
from poedsl.runtime.targets.parent_guidance import Guide, guided
from poedsl.runtime.targets.relaxed_conditions import deciding, log_chance

#: Rewards and their slopes are kept within this on the path.
LIMIT = 1e9


@dataclass(frozen=True, slots=True)
class Anchor:
    """A generative expert on some components, to a power; a mask has an exponent for each.

    Attributes:
        guide: what draws it to its parents, where it is conditioned on them.
    """

    name: str
    place: str
    expert: Generative
    exponent: float | Float[Tensor, " d"]
    part: slice | Int[Tensor, " d"]
    guide: Guide | None = None

    @property
    def field(self) -> str:
        """What keeps its scores from being those of a density; empty where nothing does."""
        if isinstance(self.exponent, Tensor):
            return f"a mask as exponent, that of `{self.name}` at {self.place}, leaves no density"
        if self.guide is not None:
            return f"`{self.name}` at {self.place} is given parents, which leaves no density"
        return ""


@dataclass(frozen=True, slots=True)
class Tilt:
    """A reward, a condition, or a density that counts as a reward: ``log_value`` of the variables.

    Attributes:
        kind: ``reward``, ``density`` or ``where``.
        guiding: differentiable, so that kernels and moves may follow it.
        term: the reward, or the condition.
        density: of densities, their log value.
        sites: of models, the values of their sites by name.
    """

    name: str
    place: str
    kind: str
    exponent: float
    term: Term
    guiding: bool
    density: Callable[[Environment], Tensor] | None = None
    sites: Callable[[Environment], dict[str, Tensor]] | None = None

    def log_value(self, env: Environment) -> Float[Tensor, " L"]:
        """Exactly, at the end of the path; -inf where a condition does not hold."""
        if self.density is not None:
            return self.exponent * self.density(env)
        value = evaluate(self.term, env)
        if self.kind == "where":
            holds = value.reshape(len(value), -1).all(-1)
            return holds.float().log()
        return self.exponent * value.flatten()


@dataclass(slots=True)
class Target:
    """The product of a plan, on the path.

    Attributes:
        exponents: W, the sum of the anchors' exponents, for each component.
        microbatch: particles evaluated at once; None for all.
        squares: whether evaluations hold sum_i w_i |s_i|^2.
        apart: whether they hold every expert's own score.
        warnings: what is odd about the factors, for these inputs.
        calls: evaluations of each factor so far, in particles.
    """

    space: Space
    anchors: tuple[Anchor, ...]
    tilts: tuple[Tilt, ...]
    environment: Environment
    exponents: Float[Tensor, " #D"]
    microbatch: int | None = None
    squares: bool = True
    apart: bool = False
    warnings: tuple[str, ...] = ()
    calls: dict[str, int] = field(default_factory=dict)
    _shares: dict[int, dict[str, Tensor]] = field(default_factory=dict)
    _deciding: dict[str, Tensor] = field(default_factory=dict)

    @property
    def has_density(self) -> bool:
        return all([a.expert.has_density and not a.field for a in self.anchors])

    @property
    def field(self) -> str:
        """What keeps the scores from being those of a density; empty where nothing does."""
        return next((a.field for a in self.anchors if a.field), "")

    @property
    def terminal(self) -> bool:
        """Whether all experts can be evaluated at the data end of the path."""
        return all(a.expert.terminal and a.guide is None for a in self.anchors)

    @property
    def inference_mode(self) -> bool:
        """Whether evaluations may run in torch's inference mode: generative experts alone may, for
        rewards of the user's own may take gradients.
        """
        alone = bool(self.anchors) and not self.tilts
        return alone and all(a.guide is None and a.expert.inference_mode for a in self.anchors)

    @property
    def factor_exponents(self) -> dict[str, float]:
        """The exponents of factors that are powers of a density, or of a reward."""
        anchors = {
            a.name: a.exponent
            for a in self.anchors
            if isinstance(a.exponent, float) and a.guide is None
        }
        return anchors | {t.name: t.exponent for t in self.tilts}

    @property
    def guides(self) -> tuple[Tilt, ...]:
        return tuple(t for t in self.tilts if t.guiding)

    @property
    def judges(self) -> tuple[Tilt, ...]:
        return tuple(t for t in self.tilts if not t.guiding)

    def first(self, noise: Noise, stage: Stage) -> Float[Tensor, "L D"] | None:
        """Draws of the first stage, exactly as it is; None where it is N(0, I / W)."""
        return None

    def evaluate(
        self, x: Float[Tensor, "L D"], stage: Stage, signs: Float[Tensor, "L D"] | None = None
    ) -> Evaluation:
        """All experts at ``x``, in micro-batches.

        Args:
            signs: random ones, where the evaluation is to serve control drifts.
        """
        if self.microbatch is None or self.microbatch >= x.shape[0]:
            return self._evaluate(x, stage, signs)
        chunks = torch.split(x, self.microbatch)
        rows = [None] * len(chunks) if signs is None else torch.split(signs, self.microbatch)
        parts = [self._evaluate(c, stage, r) for c, r in zip(chunks, rows, strict=True)]
        return parts[0].joined(parts[1:])

    def scores(self, x: Float[Tensor, "L D"], stage: Stage) -> Float[Tensor, "L D"]:
        """S alone, without rewards, in micro-batches."""
        chunks = torch.split(x, self.microbatch or len(x))
        return torch.cat([self._anchors(c, stage).score.detach() for c in chunks])

    def _evaluate(
        self, x: Float[Tensor, "L D"], stage: Stage, signs: Float[Tensor, "L D"] | None = None
    ) -> Evaluation:
        if not self.guides:
            return self._anchors(x, stage, signs)
        with torch.enable_grad():
            point = x.detach().requires_grad_()
            at = self._anchors(point, stage, signs)
        assert at.endpoint is not None
        guide, pull = self._guide(at.endpoint.detach(), stage)
        (guide_score,) = torch.autograd.grad(at.endpoint, point, pull)
        return replace(at.detached(), guide=guide, guide_score=guide_score)

    def _anchors(
        self, x: Float[Tensor, "L D"], stage: Stage, signs: Float[Tensor, "L D"] | None = None
    ) -> Evaluation:
        whole = slice(0, self.space.size)
        score: Tensor | None = None
        squares: Tensor | None = None
        log_density: Tensor | None = None
        told: Tensor | None = None
        has_density = self.has_density
        above = {p.name for a in self.anchors if a.guide is not None for p in a.guide.parents}
        scores: dict[str, Tensor] = {}
        each: dict[str, Tensor] = {}
        basis = None if signs is None else Basis(x, stage.alpha)
        for anchor in sorted(self.anchors, key=lambda a: a.guide is not None):
            part = None if isinstance(anchor.part, slice) and anchor.part == whole else anchor.part
            w = anchor.exponent
            own = x if part is None else x[:, part]
            if basis is None or signs is None:
                noised = self._noised(anchor, own, scores, stage)
            else:
                noised, divergence = diverged(
                    anchor.expert, own, stage.alpha, stage.sigma, signs[:, anchor.part]
                )
                self._count(anchor.name, len(x) * anchor.expert.calls_per_evaluation)
                field = _added(None, 1.0, noised.score + own, x, part)
                basis.add(base_name(anchor.name), field, divergence + own.shape[-1])
            if anchor.name in above:
                scores[anchor.name] = noised.score.detach()
            if self.apart:
                each[anchor.name] = _added(None, 1.0, noised.score, x, part)
            pulled = noised.score if isinstance(w, float) and w == 1 else w * noised.score
            score = _added(score, 1.0, pulled, x, part)
            if self.squares:
                square = (pulled * noised.score).sum(-1)
                squares = square if squares is None else squares + square
            if self.tilts and stage.sigma > 0:
                share = self.shares(stage)[anchor.name]
                told = _added(told, share, noised.score, x, part)
            if has_density and noised.log_density is not None:
                log_density = _added(log_density, w, noised.log_density, x, None)
        assert score is not None
        endpoint = None
        if self.tilts:
            endpoint = (
                x / stage.alpha if told is None else (x + stage.sigma**2 * told) / stage.alpha
            )
        rows = torch.stack([each[a.name] for a in self.anchors], 1) if each else None
        evaluation = Evaluation(score, squares, log_density, endpoint, each=rows)
        if basis is None:
            return evaluation
        fields, gains = basis.at(score)
        return replace(evaluation, fields=fields, gains=gains)

    def _noised(
        self, anchor: Anchor, x: Float[Tensor, "L D"], scores: dict[str, Tensor], stage: Stage
    ) -> Noised:
        """An expert by itself, or drawn to its parents, whose scores are there."""
        calls = x.shape[0] * anchor.expert.calls_per_evaluation
        guide = anchor.guide
        if guide is None:
            self._count(anchor.name, calls)
            return anchor.expert.noised(x, stage.alpha, stage.sigma)
        self._count(anchor.name, calls * guide.updates)
        parent = torch.stack([p.share * scores[p.name][:, p.index] for p in guide.parents]).sum(0)
        return Noised(guided(anchor.expert, x, parent, guide, stage))

    def shares(self, stage: Stage) -> dict[str, Tensor]:
        """Each expert's say in the predicted endpoint, and under ``""`` that endpoint's variance.

        The endpoint is the mean of the experts' own, x1_hat_i = (x + sigma^2 s_i) / alpha, by
        exponent times precision. With equal precisions it is sum_i w_i x1_hat_i / W (Zhang et
        al., Eq. 8); with unequal ones that would follow the expert that knows least.
        """
        if stage.t not in self._shares:
            total = torch.zeros_like(self.space.loc)
            each: dict[str, Tensor] = {}
            for anchor in self.anchors:
                known = anchor.expert.endpoint_precision(stage.alpha, stage.sigma)
                own = torch.as_tensor(known, dtype=total.dtype, device=total.device)
                each[anchor.name] = anchor.exponent * own
                total[anchor.part] += each[anchor.name]
            floor = self.exponents.expand(self.space.size) * stage.alpha**2 / stage.sigma**2
            total = torch.where(total > floor, total, floor + self.exponents)
            shares = {a.name: each[a.name] / total[a.part] for a in self.anchors}
            self._shares[stage.t] = {**shares, "": 1 / total}
        return self._shares[stage.t]

    def endpoint(
        self, x: Float[Tensor, "L D"], at: Evaluation, stage: Stage
    ) -> Float[Tensor, "L D"]:
        """The predicted endpoint; without rewards that of equal precisions."""
        if at.endpoint is not None:
            return at.endpoint
        return (x + stage.sigma**2 * at.score / self.exponents) / stage.alpha

    def _guide(
        self, endpoint: Float[Tensor, "L D"], stage: Stage
    ) -> tuple[Float[Tensor, " L"], Float[Tensor, "L D"]]:
        """log q_t, and the gradient with respect to the endpoint that kernels follow."""
        total = endpoint.new_zeros(len(endpoint))
        pull = torch.zeros_like(endpoint)
        with torch.enable_grad():
            point = endpoint.detach().requires_grad_()
            env = self.environment.with_values(self.space.values(point))
        for tilt in sorted(self.guides, key=lambda t: t.kind != "where"):
            self._count(tilt.name, len(endpoint))
            value, gradient = self._relaxed(tilt, env, point, stage)
            total = torch.where(total == -math.inf, total, total + value)
            pull = pull + gradient
        return total, pull

    def _relaxed(
        self, tilt: Tilt, env: Environment, point: Float[Tensor, "L D"], stage: Stage
    ) -> tuple[Float[Tensor, " L"], Float[Tensor, "L D"]]:
        """A tilt as far as the endpoint is known, whose variance is that of `shares`.

        A condition counts as the log of the chance that it will hold. A reward r counts as r |r| /
        (|r| + |spread grad r|^2 / 2), which below zero is what averaging over the spread makes of a
        quadratic one. Both are exact at the end of the path. The gradient takes the spread of r for
        constant. A reward that has no finite value at the endpoint does not count yet.

        Args:
            env: with the variables' values at ``point``, which is followed.
        """
        with torch.enable_grad():
            if tilt.kind == "where":
                return self._relaxed_condition(tilt, env, point, stage)
            value = tilt.log_value(env)
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
        self, tilt: Tilt, env: Environment, point: Tensor, stage: Stage
    ) -> tuple[Tensor, Tensor]:
        if stage.sigma == 0:
            return tilt.log_value(env).detach(), torch.zeros_like(point)
        spread = self.shares(stage)[""].sqrt()
        logs = self.log_chance(tilt, point, spread)
        if not logs.requires_grad:
            return logs, torch.zeros_like(point)
        (gradient,) = torch.autograd.grad(logs.sum(), point)
        return logs.detach(), gradient.nan_to_num()

    def log_chance(
        self, tilt: Tilt, point: Float[Tensor, "L D"], spread: Float[Tensor, " #D"]
    ) -> Float[Tensor, " L"]:
        """Log of the chance that a condition holds within a spread of a point."""
        term, env, space = tilt.term, self.environment, self.space
        if tilt.name not in self._deciding:
            self._deciding[tilt.name] = deciding(term, env, space)
        return log_chance(term, env, space, self._deciding[tilt.name], point, spread)

    def judge(self, endpoint: Shaped[Tensor, "L D"], *, final: bool) -> Float[Tensor, " L"]:
        """The black-box rewards at an endpoint; conditions among them only when it is final."""
        return self._tilted(endpoint, [t for t in self.judges if final or t.kind != "where"])

    def judged(
        self, x: Float[Tensor, "L D"], at: Evaluation | None, stage: Stage
    ) -> Float[Tensor, " L"]:
        """The black-box rewards as they count at a stage: at the predicted endpoint."""
        return self.judge(x if at is None else self.endpoint(x, at, stage), final=False)

    def exact(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """The differentiable tilts at the end of the path."""
        return self._tilted(x, list(self.guides))

    def _tilted(self, x: Shaped[Tensor, "L D"], tilts: list[Tilt]) -> Float[Tensor, " L"]:
        total = torch.zeros(len(x), dtype=torch.float32, device=x.device)
        if not tilts:
            return total
        size = self.microbatch or len(x)
        with torch.no_grad():
            chunks = []
            for chunk in torch.split(x, size):
                env = self.environment.with_values(self.space.values(chunk))
                values = [t.log_value(env) for t in tilts]
                chunks.append(torch.stack([v.expand(len(chunk)) for v in values]).sum(0))
            for tilt in tilts:
                self._count(tilt.name, len(x))
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
            for anchor in self.anchors:
                if anchor.expert.has_density:
                    log_density = anchor.expert.noised(y[:, anchor.part], 1.0, 0.0).log_density
                    assert log_density is not None
                    out[anchor.name] = log_density - self.space.scale[anchor.part].log().sum()
            for tilt in self.tilts:
                if tilt.exponent:
                    out[tilt.name] = (tilt.log_value(env) / tilt.exponent).expand(len(y))
        return out

    def sites(self, x: Shaped[Tensor, "L D"]) -> dict[str, dict[str, Tensor]]:
        """The values of the sites of each factor that is a model, (L, ...)."""
        models = {t.name: t.sites for t in self.tilts if t.sites is not None}
        if not models:
            return {}
        env = self.environment.with_values(self.space.values(x))
        return {name: sites(env) for name, sites in models.items()}

    def log_product(self, x: Shaped[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """Log of the target at points in the variables' own units, where factors have a density."""
        values = self._log_values((x - self.space.loc) / self.space.scale)
        powers = self.factor_exponents
        own = [powers[name] * value for name, value in values.items() if powers[name]]
        return torch.stack([x.new_zeros(len(x), dtype=torch.float32), *own]).sum(0)

    def faults(self, x: Float[Tensor, "L D"], stage: Stage) -> Iterator[tuple[str, str, int]]:
        """Each factor's name, place and number of points at which it is not finite."""
        point, _ = self.space.supported(x.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0))
        noisy = stage if stage.sigma > 0 or self.terminal else Stage(stage.t, 0.9999, 0.01414)
        with torch.no_grad():
            for anchor in self.anchors:
                score = anchor.expert.noised(point[:, anchor.part], noisy.alpha, noisy.sigma).score
                yield anchor.name, anchor.place, int((~torch.isfinite(score).all(-1)).sum())
            env = self.environment.with_values(self.space.shaped(point))
            for tilt in self.tilts:
                value = tilt.log_value(env)
                yield tilt.name, tilt.place, int((torch.isnan(value) | (value == math.inf)).sum())

    def _count(self, name: str, particles: int) -> None:
        self.calls[name] = self.calls.get(name, 0) + particles


def softened(
    value: Float[Tensor, " L"], blur: Float[Tensor, " L"]
) -> tuple[Float[Tensor, " L"], Float[Tensor, " L"]]:
    """Rewards r as r |r| / (|r| + blur), zero where they are not finite, and d of that / dr."""
    known = torch.isfinite(value)
    value = torch.where(known, value, 0.0).clamp(-LIMIT, LIMIT)
    size = value.abs() + blur.clamp(min=1e-12)
    rate = value.abs() * (value.abs() + 2 * blur) / size.square()
    return value * value.abs() / size, torch.where(known, rate, 0.0)


def _added(
    total: Tensor | None,
    weight: float | Tensor,
    own: Tensor,
    x: Tensor,
    part: slice | Tensor | None,
) -> Tensor:
    """The sum with ``weight`` times ``own``, which is zero outside its part."""
    if isinstance(weight, Tensor) or weight != 1:
        own = weight * own
    if part is not None:
        full = torch.zeros_like(x)
        full[:, part] = own
        own = full
    return own if total is None else total + own
