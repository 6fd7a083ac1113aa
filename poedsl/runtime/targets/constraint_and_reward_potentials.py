"""Constraints (`where`) and rewards as factors of a product: their log potentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.terms import Term
from poedsl.runtime.terms.evaluate import Environment, evaluate


@dataclass(frozen=True, slots=True)
class RewardFactor:
    """A reward, a constraint, or a density that counts as a reward: ``log_value`` of the variables.

    Attributes:
        kind: ``reward``, ``density``, ``likelihood`` or ``where``.
        differentiable: differentiable, so that kernels and moves may follow it.
        term: the reward, or the condition of the constraint.
        density: of densities and likelihoods, their log value.
        sites: of models, the values of their sites by name.
        rows: how many numbers are evaluated for each particle.
    """

    name: str
    place: str
    kind: str
    exponent: float
    term: Term
    differentiable: bool
    density: Callable[[Environment], Tensor] | None = None
    sites: Callable[[Environment], dict[str, Tensor]] | None = None
    rows: int = 1

    def log_value(self, env: Environment) -> Float[Tensor, " L"]:
        """Exactly, at the end of the path; -inf where a constraint does not hold."""
        if self.density is not None:
            return self.exponent * self.density(env)
        value = evaluate(self.term, env)
        if self.kind == "where":
            holds = value.reshape(len(value), -1).all(-1)
            return holds.to(env.dtype).log()
        return self.exponent * value.flatten()
