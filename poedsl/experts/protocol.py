"""What a factor can be at run time. Capabilities decide, not names."""

from __future__ import annotations

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
        calls_per_evaluation: network calls behind one evaluation (guidance counts two).
        inference_mode: whether evaluations may run in torch's inference mode, as they take no
            gradients of their own and leave the model as it is.
    """

    has_density: bool
    terminal: bool
    calls_per_evaluation: int
    inference_mode: bool

    def endpoint_precision(self, alpha: float, sigma: float) -> Float[Tensor, " D"] | float:
        """How sharply x_t tells each component of x_1 under this expert, at sigma > 0."""
        ...

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        """Score, and log density where there is one; differentiable in ``x``."""
        ...


@runtime_checkable
class Divergent(Protocol):
    """A generative expert that knows the divergence of its score, the Laplacian of log p_t."""

    def divergence(
        self, x: Float[Tensor, "L D"], alpha: float, sigma: float
    ) -> Float[Tensor, " L"]: ...


@runtime_checkable
class Scheduled(Protocol):
    """A generative expert that says where its path is best discretised.

    Attributes:
        snaps: whether its network rounds time, so that stages are better placed where it can see.
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
    """A judge: one number a particle; differentiable in ``x`` where its signature says so."""

    def __call__(self, x: Float[Tensor, L * shape]) -> Float[Tensor, " L"]: ...


@runtime_checkable
class Sectional(Protocol):
    """An expert that draws a variable section by section, along its first size.

    Attributes:
        has_density: whether it knows the density of a prefix.
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


#: What a sequence expert remembers of what it has read: tensors with a row for each particle.
State = tuple[Tensor, ...]


@runtime_checkable
class Sequential(Protocol):
    """An expert on sequences of symbols 0 to ``vocabulary`` - 1, which knows what follows a prefix.

    Conditionals are logs of probabilities, in the last size.
    """

    vocabulary: int

    def begin(self, count: int) -> tuple[State, Float[Tensor, "L V"]]:
        """Of ``count`` empty prefixes: the states, and the conditionals of the first symbol."""
        ...

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        """Read on: the states, and after each symbol the conditionals of the next one."""
        ...
