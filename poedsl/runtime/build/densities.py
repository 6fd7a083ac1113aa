"""Densities of a plan: from terms with names in them to Gaussians, and to log densities."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.parameter_ranges import no_shares
from poedsl.catalog.parameter_ranges import out_of_range as numbers_out_of_range
from poedsl.catalog.signatures import Role, Signature
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply, Term, names
from poedsl.experts.densities.gaussian_mixtures import Gaussians, gaussian
from poedsl.experts.densities.pyro_densities import (
    MATRICES,
    distribution,
    log_prob,
    log_prob_inside,
    proper_matrices,
    pyro_density,
    trailing,
)
from poedsl.experts.protocol import Sited
from poedsl.runtime.build.models import Models
from poedsl.runtime.terms import log_densities
from poedsl.runtime.terms.evaluate import Environment, evaluate
from poedsl.runtime.terms.log_densities import fits, parameters_with_value
from poedsl.runtime.terms.refusals import refused

#: Log density of points (L, *shape), given what names stand for.
Density = Callable[[Tensor, Environment], Tensor]


@dataclass(frozen=True, slots=True)
class Densities:
    """Builds the densities of one factor.

    Attributes:
        variables: the names that have a value for each particle.
    """

    factor: FactorSpec
    environment: Environment
    models: Models
    variables: frozenset[str]

    def gaussians(self, term: Term, shape: tuple[int, ...]) -> Gaussians:
        """A Gaussian or a mixture of them, with constant parameters.

        Raises:
            PoeError: a parameter is out of its range.
        """
        assert isinstance(term, Apply)
        if term.function == "mixture":
            parts = [self.gaussians(p, shape) for p in term.args[1::2]]
            return Gaussians.mixture([self.number(w) for w in term.args[::2]], parts)
        arguments = {k: v.cpu() for k, v in self.constants(term, shape).items()}
        return gaussian(term.function, arguments, shape)

    def density(self, term: Term, shape: tuple[int, ...]) -> Density:
        """Any density or mixture of densities; its parameters may speak of variables.

        Raises:
            PoeError: a constant parameter is out of its range.
        """
        assert isinstance(term, Apply)
        if term.function == "mixture":
            logs = [math.log(self.number(w)) for w in term.args[::2]]
            return mixed(logs, [self.density(p, shape) for p in term.args[1::2]])
        if self.signature(term).is_code:
            return self.user_density(term, shape)
        arguments = self.constants(term, shape)
        if names(term) & self.variables:
            return conditional(term)
        log_density = pyro_density(term.function, arguments, shape)
        return lambda x, env: log_density(x)

    def draws(
        self, term: Term, shape: tuple[int, ...], count: int, values: Mapping[str, Tensor]
    ) -> Float[Tensor, "count *shape"] | None:
        """Draws of a density or a mixture, by torch's own generator, each given a row of values.

        They are nan where a parameter is out of its range, or its row not known.

        Returns:
            None where no row is known, or what the program brings along cannot be drawn from.
        """
        assert isinstance(term, Apply)
        if term.function == "mixture":
            drawn = [self.draws(p, shape, count, values) for p in term.args[1::2]]
            parts = [d for d in drawn if d is not None]
            if len(parts) < len(drawn):
                return None
            shares = torch.tensor(
                [self.number(w) for w in term.args[::2]], dtype=torch.float32, device="cpu"
            )
            chosen = torch.multinomial(shares, count, replacement=True)
            return torch.stack(parts)[chosen, torch.arange(count, device="cpu")]
        signature = self.signature(term)
        if not signature.is_code and "sample" not in signature.capabilities:
            return None
        if signature.is_code:
            if names(term) & self.variables:
                return None
            model = self.models.model(term, self.environment, self.factor, shape)
            if not isinstance(model, Sited) or (model.size,) != shape:
                return None
            return model.draws(count).to(self.environment.device)
        self.constants(term, shape)
        env, batch_shape = self.environment.with_values(values), (count, *shape)
        arguments: dict[str, Tensor] = {}
        valid = torch.ones(batch_shape, dtype=torch.bool, device="cpu")
        for name, value in parameters(term, env, batch_shape).items():
            arguments[name] = value.cpu()
            if name not in MATRICES:
                inside = arguments[name].isfinite()
                if self.role(term, name) == "positive":
                    inside = inside & (arguments[name] > 0)
                arguments[name] = arguments[name].where(inside, 1.0).expand(batch_shape)
                valid = valid & inside
        arguments, definite = proper_matrices(arguments)
        valid = valid & definite.view(*definite.shape, *(1,) * (valid.dim() - definite.dim()))
        if not bool(valid.any(0).all()):
            return None
        points: Tensor = distribution(term.function, arguments).sample()
        return points.where(valid, math.nan).to(self.environment.device)

    def user_density(self, term: Apply, shape: tuple[int, ...]) -> Density:
        """A density that the program brings along."""
        if inner := sorted(names(term) & self.variables):
            raise refused(
                "P0312",
                f"`{term.function}` depends on the variable `{inner[0]}`",
                "densities of the program's own have constant parameters",
                factor=self.factor,
            )
        log_density = self.models.model(term, self.environment, self.factor, shape)
        if isinstance(log_density, Sited) and (log_density.size,) != shape:
            message = (
                f"`{term.function}` has {log_density.size} components, and what it sees here is "
                f"{list(shape)}"
            )
            raise refused("P0304", message, factor=self.factor)
        return lambda x, env: log_density(x)

    def signature(self, term: Apply) -> Signature:
        return self.models.plan.signature(term.function)

    def role(self, term: Apply, name: str) -> Role:
        parameter = self.signature(term).parameter(name)
        assert parameter is not None
        return parameter.role

    def constants(self, term: Apply, shape: tuple[int, ...]) -> dict[str, Tensor]:
        """The parameters that depend on no variable, inside their ranges, and of a size that
        fits what the density is over.
        """
        values: dict[str, Tensor] = {}
        for name, inner in parameters_with_value(term):
            if names(inner) & self.variables:
                continue
            value = values[name] = evaluate(inner, self.environment)[0]
            role, actual = self.role(term, name), tuple(value.shape)
            matrix, more = role == "matrix", trailing(term.function, name)
            expected = (*shape[-1:], *shape[-1:]) if matrix else shape[: len(shape) + min(more, 0)]
            inner_sizes = actual[: len(actual) - max(more, 0)]
            if actual != expected if matrix else not fits(inner_sizes, expected):
                message = (
                    f"`{name}` of `{term.function}` has the shape {list(actual)}, which does "
                    f"not fit {list(expected)}"
                )
                raise refused("P0603", message, factor=self.factor)
            if reason := out_of_range(name, role, value):
                message = f"`{name}` of `{term.function}` {reason}"
                raise refused("P0307", message, factor=self.factor)
        return values

    def number(self, term: Term) -> float:
        return float(evaluate(term, self.environment))


def mixed(logs: list[float], parts: list[Density]) -> Density:
    """The mixture of densities with these log weights."""

    def log_density(x: Float[Tensor, "L *shape"], env: Environment) -> Float[Tensor, " L"]:
        weighted = [w + part(x, env) for w, part in zip(logs, parts, strict=True)]
        return torch.logsumexp(torch.stack(weighted), 0)

    return log_density


def conditional(term: Apply) -> Density:
    """A density of Pyro's whose parameters are evaluated for each particle."""

    def log_density(x: Float[Tensor, "L *shape"], env: Environment) -> Float[Tensor, " L"]:
        rows = parameters(term, env, tuple(x.shape))
        doubles = {name: value.double() for name, value in rows.items()}
        arguments, valid = proper_matrices(doubles)
        logarithm = log_prob_inside(term.function, arguments)
        logs = log_prob(term.function, arguments, logarithm, x.double())
        every = valid.expand(len(logs), *valid.shape[1:]).reshape(len(logs), -1)
        return torch.where(every.all(-1), logs, math.nan).to(x.dtype)

    return log_density


def parameters(term: Apply, env: Environment, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
    """The parameters of a density at points of a shape, a row for each point."""
    return log_densities.parameters(term, lambda inner: evaluate(inner, env), batch_shape[1:])


def out_of_range(name: str, role: Role, value: Tensor) -> str:
    """What keeps a parameter from its range; empty where nothing does."""
    if not bool(torch.isfinite(value).all()):
        return "is not finite"
    if role != "matrix":
        whole = bool((value == value.round()).all())
        reason = numbers_out_of_range(role, float(value.min()), float(value.max()), whole)
        sums = value.sum(-1).flatten().tolist() if role == "shares" else ()
        return reason or no_shares(sums)
    if name == "scale_tril":
        proper = bool((value.diagonal() > 0).all()) and bool((value.triu(1) == 0).all())
        return "" if proper else "is lower triangular with a positive diagonal"
    symmetric = torch.allclose(value, value.T, rtol=1e-4, atol=0)
    definite = symmetric and int(torch.linalg.cholesky_ex(value.double()).info) == 0
    return "" if definite else "is symmetric and positive definite, and this matrix is not"
