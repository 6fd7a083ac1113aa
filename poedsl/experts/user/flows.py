"""Classes of user code with a score or a velocity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.experts.protocol import Noised
from poedsl.experts.user.calls import (
    call,
    check_differentiable,
    make,
    per_particle,
    to_tensor,
    unfit,
)
from poedsl.experts.user.registry import UserCode


class UserFlow:
    """A class with ``velocity``, ``score`` or a noised ``log_prob``, as a `Generative`.

    Its methods take particles (L, *shape) of x_t = alpha x_1 + sigma eps. ``velocity`` takes
    z = (1 - s) x_1 + s eps and returns E[eps - x_1 | z]. Images and videos have values in [-1, 1].

    Args:
        arguments: of ``__init__``, by name. shape: of one particle.

    Raises:
        PoeError: its ``__init__`` or a method fails, or returns the wrong shape (P0708).
    """

    calls_per_evaluation = 1
    inference_mode = False

    def __init__(
        self,
        code: UserCode,
        arguments: Mapping[str, Any],
        shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.code = code
        self.shape = shape
        self.instance = make(code, arguments, device)
        methods = vars(code.target)
        self.method = next(m for m in ("velocity", "score", "log_prob") if m in methods)
        self.has_density = "noised" in code.signature.capabilities
        self.terminal = self.has_density

    def endpoint_precision(self, alpha: float, sigma: float) -> float:
        """The precision of x_1 given x_t if the data are Gaussian with variance 1."""
        return 1 + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        if self.method == "velocity":
            s, z = sigma / (alpha + sigma), x / (alpha + sigma)
            noise = z + (1 - s) * self.evaluate("velocity", z, s)
            return Noised(-noise / sigma)
        if self.method == "score":
            density = self.log_density(x, alpha, sigma) if self.has_density else None
            return Noised(self.evaluate("score", x, alpha, sigma), density)
        differentiate = x.requires_grad
        with torch.enable_grad():
            point = x if differentiate else x.detach().requires_grad_()
            density = self.log_density(point, alpha, sigma)
            check_differentiable(density, point, "log_prob", self.code)
            (score,) = torch.autograd.grad(density.sum(), point, create_graph=differentiate)
        return Noised(score, density if differentiate else density.detach())

    def log_density(
        self, x: Float[Tensor, "L D"], alpha: float, sigma: float
    ) -> Float[Tensor, " L"]:
        points = x.reshape(-1, *self.shape)
        value = call(self.code, self.instance.log_prob, points, alpha, sigma)
        return per_particle(value, points, self.code, "log_prob")

    def evaluate(self, method: str, x: Float[Tensor, "L D"], *at: float) -> Float[Tensor, "L D"]:
        """Call a method that returns a number for each component."""
        points = x.reshape(-1, *self.shape)
        value = to_tensor(
            call(self.code, getattr(self.instance, method), points, *at), x, self.code
        )
        if value.shape != points.shape:
            raise unfit(
                self.code,
                f"returned shape {list(value.shape)} from `{method}` for {len(x)} particles; it "
                f"returns one number a component, {list(points.shape)}",
            )
        return value.reshape(x.shape)
