"""Algorithm 1 of Zhang et al. with weights, plain and slow: one particle after the other, in double
precision, for products of Gaussians and mixtures of Gaussians and the exponential of a linear
reward. It shares nothing with the package but the random numbers and the coordinates.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch

from poedsl.runtime.noise import Noise

Vector = np.ndarray
FIRST = math.asin(0.01)


@dataclass
class Expert:
    """A mixture of Gaussians to a power: chances, means and covariances of its parts."""

    power: float
    parts: list[tuple[float, Vector, Vector]]

    def noised(self, x: Vector, alpha: float, sigma: float) -> tuple[float, Vector]:
        """Log density and score of the noised marginal at a point."""
        logs, scores = [], []
        for chance, mean, covariance in self.parts:
            spread = alpha**2 * covariance + sigma**2 * np.eye(len(x))
            pull = np.linalg.solve(spread, x - alpha * mean)
            size = np.linalg.slogdet(2 * math.pi * spread)[1]
            logs.append(math.log(chance) - 0.5 * ((x - alpha * mean) @ pull + size))
            scores.append(-pull)
        total = float(np.logaddexp.reduce(logs))
        return total, sum(math.exp(g - total) * s for g, s in zip(logs, scores, strict=True))

    def variance(self) -> Vector:
        """Of each component."""
        mean = sum(c * m for c, m, _ in self.parts)
        return sum(c * (np.diag(v) + (m - mean) ** 2) for c, m, v in self.parts)


@dataclass
class Sampler:
    """A reward is a constant and a slope; one that guides is followed, another only weighs."""

    experts: list[Expert]
    width: int
    steps: int
    count: int
    move: str = "sde"
    correct: str = "ais"
    kernel: str = "none"
    kernel_steps: int = 1
    size: float = 0.5
    below: float = 0.5
    scheme: str = "systematic"
    reward: tuple[float, Vector] | None = None
    guides: bool = False

    def levels(self, t: int) -> tuple[float, float]:
        """Of signal and noise."""
        angle = FIRST + (math.pi / 2 - FIRST) * (self.steps + 1 - t) / self.steps
        return (1.0, 0.0) if t == 1 else (math.sin(angle), math.cos(angle))

    def at(self, x: Vector, t: int) -> tuple[float, Vector, float]:
        """Log of the product, its score S, and sum_i w_i |s_i|^2."""
        each = [(e.power, *e.noised(x, *self.levels(t))) for e in self.experts]
        score = sum(w * s for w, _, s in each)
        return sum(w * log for w, log, _ in each), score, sum(w * float(s @ s) for w, _, s in each)

    def rewarded(self, x: Vector, t: int) -> float:
        """The reward at the predicted endpoint; one that guides as far as that is known."""
        if self.reward is None:
            return 0.0
        constant, slope = self.reward
        alpha, sigma = self.levels(t)
        if t == 1:
            return constant + float(slope @ x)
        known = [e.power * (1 / e.variance() + alpha**2 / sigma**2) for e in self.experts]
        total, power = sum(known), sum(e.power for e in self.experts)
        least = power * alpha**2 / sigma**2
        total = np.where(total > least, total, least + power)
        scores = [e.noised(x, alpha, sigma)[1] for e in self.experts]
        told = sum(k * s for k, s in zip(known, scores, strict=True)) / total
        found = constant + float(slope @ (x + sigma**2 * told)) / alpha
        blur = 0.5 * float((slope**2 / total).sum())
        return found * abs(found) / (abs(found) + blur) if self.guides else found

    def followed(self, x: Vector, t: int) -> tuple[float, Vector]:
        """The reward that moves and kernels follow, and its gradient by differences."""
        if not self.guides:
            return 0.0, np.zeros(self.width)
        ends = [[self.rewarded(x + h * e, t) for h in (1e-5, -1e-5)] for e in np.eye(self.width)]
        return self.rewarded(x, t), np.array([(b - a) / 2e-5 for b, a in ends])

    def run(self, seed: int, swarms: int, swarm: int) -> tuple[Vector, Vector, list[int], float]:
        """Positions, log weights since the last resampling, ancestors, and log evidence."""
        noise = Noise(seed, swarms, self.count, torch.device("cpu"))
        rows = slice(swarm * self.count, (swarm + 1) * self.count)
        total = sum(e.power for e in self.experts)
        start = noise.normal(self.width, self.steps + 1, "start")[rows].double().numpy()
        p = [Particle(row / math.sqrt(total), 0.0, 0.0, i) for i, row in enumerate(start)]
        log_normal = 0.5 * self.width * math.log(total / (2 * math.pi))
        base = 0.5 * self.width * ((1 - total) * math.log(2 * math.pi) - math.log(total))
        for one in p:
            one.log_w = base
            if self.correct != "none":
                square = 0.5 * total * float(one.x @ one.x)
                one.log_w = self.at(one.x, self.steps + 1)[0] + square - log_normal
        banked = 0.0

        def resampled(t: int, purpose: str) -> None:
            nonlocal p, banked
            share = np.exp([one.log_w - level(p) for one in p]) / self.count
            if 1 / float(share @ share) >= self.below * self.count:
                return
            banked += level(p)
            if self.scheme == "systematic":
                points = (noise.shared(t, purpose)[swarm].numpy() + range(self.count)) / self.count
            else:
                points = np.sort(noise.shared(t, purpose, self.count)[swarm].numpy())
            chosen = [p[int(np.searchsorted(np.cumsum(share), u))] for u in points]
            p = [replace(one, log_w=0.0) for one in chosen]

        for t in range(self.steps, 0, -1):
            drawn = noise.normal(self.width, t, "move")[rows].double().numpy()
            for one, row in zip(p, drawn, strict=True):
                one.x, gain = self.moved(one.x, t, row, total)
                one.log_w += gain
                self.count_reward(one, t)
            resampled(t, "resample")
            if self.kernel != "none" and (self.kernel == "mala" or t > 1):
                normals, uniforms = noise.proposals(self.width, t, self.kernel_steps)
                for normal, uniform in zip(normals[:, rows], uniforms[:, rows], strict=True):
                    for one, row, u in zip(p, normal.double().numpy(), uniform, strict=True):
                        one.x = self.stepped(one.x, t, row, float(u), total)
            for one in p if self.guides else []:
                one.carried = self.rewarded(one.x, t)
        if not self.guides:
            for one in p:
                self.count_reward(one, 1)
            resampled(1, "settle")
        log_w = np.array([one.log_w for one in p])
        return np.array([one.x for one in p]), log_w, [one.slot for one in p], banked + level(p)

    def count_reward(self, one: Particle, t: int) -> None:
        reward = self.rewarded(one.x, t)
        one.log_w += reward - one.carried
        one.carried = reward

    def moved(self, x: Vector, t: int, noise: Vector, total: float) -> tuple[Vector, float]:
        """A point's move from stage t + 1 to t, and what it adds to the weight."""
        (old_alpha, old_sigma), (alpha, sigma) = self.levels(t + 1), self.levels(t)
        log, score, squares = self.at(x, t + 1)
        c = old_alpha / alpha
        variance, drawn = (1 - c ** (2 * total)) / total, noise
        if self.move == "none":
            y = x
        elif self.move == "ode":
            y = x / c + (old_sigma**2 / c - old_sigma * sigma) * (score + (total - 1) * x)
        else:
            push = 2 * (1 / c - c**total) / (1 + total)
            y = c**total * x + push * (score + total * x)
            drawn = noise + push / math.sqrt(variance) * self.followed(x, t + 1)[1]
            y = y + math.sqrt(variance) * drawn
        twist = 0.5 * float(noise @ noise - drawn @ drawn)
        new_log, new_score, new_squares = self.at(y, t)
        if self.correct == "none":
            return y, twist
        if self.correct == "fkc":
            rates = (
                s @ s - q + (total - 1) * p @ s
                for p, s, q in ((x, score, squares), (y, new_score, new_squares))
            )
            return y, twist - math.log(c) * sum(rates) / 2
        back = (x - c**total * y) @ (x - c**total * y) / variance if self.move == "sde" else 0.0
        forth = noise @ noise if self.move == "sde" else 0.0
        return y, new_log - log + 0.5 * (forth - back)

    def stepped(self, x: Vector, t: int, noise: Vector, uniform: float, total: float) -> Vector:
        """One Langevin step at stage t, accepted by Metropolis's rule where that is the kernel."""
        size = self.size * (self.levels(t)[1] ** 2 / total if self.kernel == "langevin" else 1)
        reward, pull = self.followed(x, t)
        log, score, _ = self.at(x, t)
        y = x + 0.5 * size * (score + pull) + math.sqrt(size) * noise
        if self.kernel == "langevin":
            return y
        new_reward, new_pull = self.followed(y, t)
        new_log, new_score, _ = self.at(y, t)
        back = x - y - 0.5 * size * (new_score + new_pull)
        gain = new_log + new_reward - log - reward
        ratio = gain + 0.5 * (noise @ noise - back @ back / size)
        return y if uniform < math.exp(min(ratio, 0.0)) else x


@dataclass
class Particle:
    """Where it is, its weight since the last resampling, the reward in it, and where it began."""

    x: Vector
    log_w: float
    carried: float
    slot: int


def level(particles: list[Particle]) -> float:
    """Log of the mean weight."""
    return float(np.logaddexp.reduce([p.log_w for p in particles])) - math.log(len(particles))
