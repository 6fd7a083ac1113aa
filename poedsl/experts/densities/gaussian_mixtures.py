"""Gaussians and their mixtures, whose noised marginals have a closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.protocol import Noised

LOG_2_PI = math.log(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Gaussians:
    """Weighted Gaussians on D components: one is a Gaussian, several a mixture.

    Attributes:
        log_weights: (C,), logsumexp 0.
        means: (C, D).
        variances: (C, D), along the components, or along ``axes`` where the covariance is full.
        axes: (C, D, D), eigenvectors in columns; None where covariances are diagonal.
    """

    log_weights: Float[Tensor, " C"]
    means: Float[Tensor, "C D"]
    variances: Float[Tensor, "C D"]
    axes: Float[Tensor, "C D D"] | None = None

    has_density = True
    terminal = True
    calls_per_evaluation = 1
    inference_mode = True

    @classmethod
    def diagonal(cls, mean: Float[Tensor, " D"], scale: Float[Tensor, " D"]) -> Gaussians:
        return cls(mean.new_zeros(1), mean[None], scale.square()[None])

    @classmethod
    def full(cls, mean: Float[Tensor, " D"], covariance: Float[Tensor, "D D"]) -> Gaussians:
        values, vectors = torch.linalg.eigh(covariance.double())
        return cls(mean.new_zeros(1), mean[None], values.to(mean)[None], vectors.to(mean)[None])

    @classmethod
    def mixture(cls, weights: Sequence[float], parts: Sequence[Gaussians]) -> Gaussians:
        """A mixture of mixtures is a mixture."""
        logs = torch.cat([p.log_weights + math.log(w) for w, p in zip(weights, parts, strict=True)])
        axes = None
        if any(p.axes is not None for p in parts):
            axes = torch.cat([p.axes if p.axes is not None else _unit(p) for p in parts])
        return cls(
            logs, torch.cat([p.means for p in parts]), torch.cat([p.variances for p in parts]), axes
        )

    def within(self, loc: Float[Tensor, " D"], scale: Float[Tensor, " D"]) -> Gaussians:
        """The distribution of z in x = loc + scale z."""
        means = (self.means - loc) / scale
        if self.axes is None:
            return Gaussians(self.log_weights, means, self.variances / scale.square())
        rotated = self.axes * self.variances.sqrt()[:, None, :] / scale[:, None]
        values, vectors = torch.linalg.eigh((rotated @ rotated.mT).double())
        return Gaussians(self.log_weights, means, values.to(means), vectors.to(means))

    def to(self, device: torch.device) -> Gaussians:
        axes = None if self.axes is None else self.axes.to(device)
        return Gaussians(
            self.log_weights.to(device), self.means.to(device), self.variances.to(device), axes
        )

    def component_variances(self) -> Float[Tensor, "C D"]:
        """Variance of each component of x under each Gaussian."""
        if self.axes is None:
            return self.variances
        return (self.axes.square() * self.variances[:, None, :]).sum(-1)

    def moments(self) -> tuple[Float[Tensor, " D"], Float[Tensor, " D"]]:
        """Mean and variance of each component of x."""
        weights, variances = self.log_weights.exp()[:, None], self.component_variances()
        mean = (weights * self.means).sum(0)
        return mean, (weights * (variances + (self.means - mean).square())).sum(0)

    def endpoint_precision(self, alpha: float, sigma: float) -> Float[Tensor, " D"]:
        """The precision of x_1 given x_t: 1 / variance + alpha^2 / sigma^2."""
        return 1 / self.moments()[1] + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        scaled, log_parts, _ = self._parts(x, alpha, sigma)
        if len(self.log_weights) == 1:
            pulls = scaled if self.axes is None else torch.einsum("lce,cde->lcd", scaled, self.axes)
            return Noised(-pulls[:, 0], log_parts[:, 0])
        log_density = torch.logsumexp(log_parts, -1)
        share = (log_parts - log_density[:, None]).exp()
        if self.axes is not None:
            return Noised(-torch.einsum("lc,lce,cde->ld", share, scaled, self.axes), log_density)
        return Noised(-torch.einsum("lc,lcd->ld", share, scaled), log_density)

    def divergence(
        self, x: Float[Tensor, "L D"], alpha: float, sigma: float
    ) -> Float[Tensor, " L"]:
        """The Laplacian of log p_t: the mean over parts of |s_c|^2 + div s_c, less |s|^2."""
        scaled, log_parts, variances = self._parts(x, alpha, sigma)
        curved = scaled.square().sum(-1) - (1 / variances).sum(-1)
        score = self.noised(x, alpha, sigma).score
        return (log_parts.softmax(-1) * curved).sum(-1) - score.square().sum(-1)

    def _parts(
        self, x: Float[Tensor, "L D"], alpha: float, sigma: float
    ) -> tuple[Float[Tensor, "L C D"], Float[Tensor, "L C"], Float[Tensor, "C D"]]:
        """Of each Gaussian the distance over variance along its axes, log density, variances."""
        variances = alpha**2 * self.variances + sigma**2
        deviations = x[:, None, :] - alpha * self.means
        along = (
            deviations if self.axes is None else torch.einsum("lcd,cde->lce", deviations, self.axes)
        )
        scaled = along / variances
        constant = self.log_weights - 0.5 * (LOG_2_PI + variances.log()).sum(-1)
        return scaled, constant - 0.5 * (along * scaled).sum(-1), variances

    def log_prob(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        log_density = self.noised(x, 1.0, 0.0).log_density
        assert log_density is not None
        return log_density


def _unit(part: Gaussians) -> Float[Tensor, "C D D"]:
    count, size = part.means.shape
    return torch.eye(size, dtype=part.means.dtype, device=part.means.device).expand(
        count, size, size
    )


def gaussian(
    name: str, arguments: dict[str, Float[Tensor, "*shape"]], shape: tuple[int, ...]
) -> Gaussians:
    """``Normal`` or ``MultivariateNormal`` with Pyro's parameters, on a variable of a shape.

    A multivariate event is the last size; earlier sizes are independent copies.
    """
    size = math.prod(shape)
    loc = arguments["loc"].expand(shape).reshape(size)
    if name == "Normal":
        return Gaussians.diagonal(loc, arguments["scale"].expand(shape).reshape(size))
    matrix = _covariance(arguments)
    copies = size // shape[-1]
    return Gaussians.full(
        loc, torch.kron(torch.eye(copies, dtype=matrix.dtype, device=matrix.device), matrix)
    )


def _covariance(arguments: dict[str, Float[Tensor, "*shape"]]) -> Float[Tensor, "d d"]:
    if "covariance_matrix" in arguments:
        return arguments["covariance_matrix"]
    if "precision_matrix" in arguments:
        precision = arguments["precision_matrix"]
        covariance: Tensor = torch.linalg.inv(precision.double()).to(precision)
        return covariance
    lower = arguments["scale_tril"]
    return lower @ lower.mT
