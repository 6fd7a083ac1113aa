"""The protocols of experts at run time; the runtime dispatches on these and not on names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor


class Noised(NamedTuple):
    """An expert's noised marginal at a batch of points."""

    score: Float[Tensor, "L D"]
    log_density: Float[Tensor, " L"] | None = None


@runtime_checkable
class Generative(Protocol):
    """An expert with noised marginals p_t of x_t = alpha x_1 + sigma eps, on flattened components.

    Attributes:
        has_density: whether `noised` gives log densities; ``terminal`` then holds too.
        terminal: whether it can be evaluated at sigma = 0.
        calls_per_evaluation: network calls in one evaluation (two with guidance).
        inference_mode: whether evaluations may run in torch's inference mode: they neither take
            gradients nor change the model.
    """

    has_density: bool
    terminal: bool
    calls_per_evaluation: int
    inference_mode: bool

    def endpoint_precision(self, alpha: float, sigma: float) -> Float[Tensor, " D"] | float:
        """The precision of each component of x_1 given x_t under this expert, at sigma > 0."""
        ...

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        """The score of p_t at x_t, and log p_t if it has a density; differentiable in ``x``."""
        ...


@runtime_checkable
class Divergent(Protocol):
    """A generative expert with the divergence of its score, the Laplacian of log p_t."""

    def divergence(
        self, x: Float[Tensor, "L D"], alpha: float, sigma: float
    ) -> Float[Tensor, " L"]: ...


@runtime_checkable
class Scheduled(Protocol):
    """A generative expert with a time discretisation of its own.

    Attributes:
        snaps: whether its network rounds time, so that stages should be at rounded times.
    """

    snaps: bool

    def times(self, steps: int, shape: tuple[int, ...], *, snaps: bool) -> list[float]:
        """Rectified times s from 1 (noise) to 0 (data), ``steps`` + 1 of them.

        Args:
            shape: of the whole that is sampled. snaps: whether networks round time.
        """
        ...


@runtime_checkable
class Reward(Protocol):
    """One number for each particle; differentiable in ``x`` if its signature has a gradient."""

    def __call__(self, x: Float[Tensor, L * shape]) -> Float[Tensor, " L"]: ...


@dataclass(frozen=True, slots=True)
class TextReward:
    """One number for the text of each particle, in place of its symbols."""

    score: Callable[[list[str]], Float[Tensor, " L"]]


@runtime_checkable
class Sectional(Protocol):
    """An expert that draws a variable section by section, along its first size.

    Attributes:
        has_density: whether `log_prob` is defined.
    """

    has_density: bool

    def extend(
        self, prefix: Float[Tensor, "L k *rest"], noise: Float[Tensor, "L *rest"]
    ) -> Float[Tensor, "L *rest"]:
        """The next section: a draw given the prefix, as a function of standard normals."""
        ...

    def log_prob(self, prefix: Float[Tensor, "L k *rest"]) -> Float[Tensor, " L"]:
        """Log p of the first k sections; differentiable in ``prefix``."""
        ...


@runtime_checkable
class Sited(Protocol):
    """A density over the sites of a model, side by side: log p of points (L, size), (L,)."""

    size: int

    def __call__(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]: ...

    def sites(self, x: Float[Tensor, "L D"]) -> dict[str, Tensor]:
        """Each site by its name, (L, ...), in its own units."""
        ...

    def draws(self, count: int) -> Float[Tensor, "{count} D"]:
        """Points as the model draws them by torch's own generator, whatever it observes."""
        ...


#: The state of a sequence expert after a prefix: tensors with a row for each particle.
State = tuple[Tensor, ...]


@runtime_checkable
class Sequential(Protocol):
    """An expert over sequences of symbols 0 to ``vocabulary`` - 1, by its conditionals.

    Conditionals are log-probabilities of the next symbol, in the last size.
    """

    vocabulary: int

    def begin(self, count: int) -> tuple[State, Float[Tensor, "L V"]]:
        """The states of ``count`` empty prefixes, and the conditionals of the first symbol."""
        ...

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        """The states after further symbols, and after each of them the conditionals of the next."""
        ...
