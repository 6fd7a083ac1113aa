"""Algorithm 1 of Zhang et al. with weights, plain and slow: one particle after the other, in double
precision, for products of Gaussians and mixtures of Gaussians. It shares nothing with the package
but the random numbers, the coordinates, where the stages stand and the order of the last draw.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.smc.resampling_schemes import along_kd_tree

Vector = np.ndarray


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


@dataclass
class Sampler:
    experts: list[Expert]
    width: int
    angles: list[float]
    count: int
    move: str = "sde"
    correct: str = "ais"
    kernel: str = "none"
    kernel_steps: int = 1
    size: float = 0.5
    below: float = 0.5

    @property
    def steps(self) -> int:
        return len(self.angles) - 1

    def angle(self, t: int) -> float:
        return self.angles[self.steps + 1 - t]

    def at(self, x: Vector, t: int) -> tuple[float, Vector, float]:
        """Log of the product, its score S, and sum_i w_i |s_i|^2."""
        alpha, sigma = (1.0, 0.0) if t == 1 else (math.sin(self.angle(t)), math.cos(self.angle(t)))
        log, score, squares = 0.0, np.zeros(self.width), 0.0
        for expert in self.experts:
            own, own_score = expert.noised(x, alpha, sigma)
            log += expert.power * own
            score = score + expert.power * own_score
            squares += expert.power * float(own_score @ own_score)
        return log, score, squares

    def run(self, seed: int, islands: int, island: int) -> tuple[Vector, Vector, list[int], float]:
        """Positions, log weights since the last resampling, ancestors, and log evidence."""
        noise = Noise(seed, islands, self.count, torch.device("cpu"))
        rows = slice(island * self.count, (island + 1) * self.count)
        total = sum(e.power for e in self.experts)
        start = noise.normal(self.width, self.steps + 1, "start")[rows].double().numpy()
        x = [row / math.sqrt(total) for row in start]
        base = 0.5 * self.width * ((1 - total) * math.log(2 * math.pi) - math.log(total))
        log_w, ancestors, accumulated = [], list(range(self.count)), 0.0
        for point in x:
            normal = self.width * math.log(total / (2 * math.pi)) - total * point @ point
            exact = self.at(point, self.steps + 1)[0] - 0.5 * normal
            log_w.append(base if self.correct == "none" else exact)
        for t in range(self.steps, 0, -1):
            drawn = noise.normal(self.width, t, "move")[rows].double().numpy()
            for i in range(self.count):
                x[i], gain = self.moved(x[i], t, drawn[i], total)
                log_w[i] += gain
            level = float(np.logaddexp.reduce(log_w)) - math.log(self.count)
            share = np.exp(np.array(log_w) - level) / self.count
            last = t == 1 and self.kernel == "mala"
            if last or 1 / float(share @ share) < self.below * self.count:
                uniform = float(noise.shared(t, "even draws" if last else "resample", 1)[island, 0])
                slots, places = np.arange(self.count), torch.tensor(np.array(x))[None]
                order = along_kd_tree(places)[0].numpy() if last else slots
                ends = share[order].cumsum()
                chosen = sorted(order[np.searchsorted(ends, (uniform + slots) / self.count)])
                x, ancestors = [x[c] for c in chosen], [ancestors[c] for c in chosen]
                accumulated, log_w = accumulated + level, [0.0] * self.count
            if self.kernel == "none" or (self.kernel == "langevin" and t == 1):
                continue
            normals, uniforms = noise.proposals(self.width, t, self.kernel_steps)
            assert uniforms is not None
            for k in range(self.kernel_steps):
                for i in range(self.count):
                    row = normals[k, rows][i].double().numpy()
                    x[i] = self.stepped(x[i], t, row, float(uniforms[k, rows][i]), total)
        level = float(np.logaddexp.reduce(log_w)) - math.log(self.count)
        return np.array(x), np.array(log_w), ancestors, accumulated + level

    def moved(self, x: Vector, t: int, noise: Vector, total: float) -> tuple[Vector, float]:
        """A point's move from stage t + 1 to t, and what it adds to the weight."""
        old_alpha, old_sigma = math.sin(self.angle(t + 1)), math.cos(self.angle(t + 1))
        alpha, sigma = (1.0, 0.0) if t == 1 else (math.sin(self.angle(t)), math.cos(self.angle(t)))
        log, score, squares = self.at(x, t + 1)
        c = old_alpha / alpha
        variance = (1 - c ** (2 * total)) / total
        if self.move == "none":
            y = x
        elif self.move == "ode":
            y = x / c + (old_sigma**2 / c - old_sigma * sigma) * (score + (total - 1) * x)
        else:
            mean = 2 * (1 / c - c**total) / (1 + total) * (score + total * x)
            y = c**total * x + mean + math.sqrt(variance) * noise
        new_log, new_score, new_squares = self.at(y, t)
        if self.correct == "none":
            return y, 0.0
        if self.correct == "fkc":
            rates = (
                s @ s - q + (total - 1) * p @ s
                for p, s, q in ((x, score, squares), (y, new_score, new_squares))
            )
            return y, -math.log(c) * sum(rates) / 2
        back = (x - c**total * y) @ (x - c**total * y) / variance if self.move == "sde" else 0.0
        forth = noise @ noise if self.move == "sde" else 0.0
        return y, new_log - log + 0.5 * (forth - back)

    def stepped(self, x: Vector, t: int, noise: Vector, uniform: float, total: float) -> Vector:
        """One Langevin step at stage t, accepted by Metropolis's rule where that is the kernel."""
        size = self.size * (
            math.cos(self.angle(t)) ** 2 / total if self.kernel == "langevin" else 1
        )
        log, score, _ = self.at(x, t)
        y = x + 0.5 * size * score + math.sqrt(size) * noise
        if self.kernel == "langevin":
            return y
        new_log, new_score, _ = self.at(y, t)
        back = x - y - 0.5 * size * new_score
        ratio = new_log - log + 0.5 * (noise @ noise - back @ back / size)
        return y if uniform < math.exp(min(ratio, 0.0)) else x
