"""Random programs under default plans: how often a result is off, and whether the verdict says so.

    python benchmarks/random_programs.py [--count 500] [--seed 0] [--kind NAME] [--verbose]

Each program is of one of the kinds below, and runs once with the default plan. Its log Z, and
the mean and standard deviation of every component are known without poedsl: in closed form, by
quadrature in up to three unknowns, and by importance sampling in four to six. The densities are
written down here again, and Python evaluates the expressions. A program is drawn again unless two
grids agree, the second finer and wider, or the error of the importance sampling is small.

A result is off if a mean is off by more than 0.3 exact standard deviations, or log Z by more than
four reported standard errors and 0.02; by more than 0.3 where no standard error is reported.
"""

from __future__ import annotations

import argparse
import math
import re
import statistics
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.optimize
import torch
from figures import add_out, write
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

import poedsl
from poedsl.runtime.results.verdict import Verdict

Values = dict[str, Tensor]
Interval = tuple[float, float]
#: Names of densities, and between which ends each of their parameters is drawn.
Table = Mapping[str, tuple[Interval, ...]]
REALS, POSITIVE, UNIT = (-math.inf, math.inf), (0.0, math.inf), (0.0, 1.0)
#: Points of a grid along each axis, by the number of axes.
COUNTS = {1: (20_000, 30_000), 2: (300, 450, 700, 1000, 1500, 2200), 3: (50, 70, 100, 140)}
#: Standard errors below this are smaller than the errors of the exact answers.
SMALLEST_ERROR = 0.005
#: Points that are evaluated together.
CHUNK = 50_000


class AgainError(Exception):
    """A program without an answer that could be checked; another is drawn."""


# The densities, and expressions as Python evaluates them.


def log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def log_cauchy(x: Tensor, m: Tensor, s: Tensor) -> Tensor:
    return -torch.log1p(((x - m) / s) ** 2) - torch.log(math.pi * s)


def log_gamma(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return a * b.log() - torch.lgamma(a) + (a - 1) * x.log() - b * x


def log_gumbel(x: Tensor, m: Tensor, s: Tensor) -> Tensor:
    z = (x - m) / s
    return -z - torch.exp(-z) - s.log()


def log_inverse_gamma(x: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return a * b.log() - torch.lgamma(a) - (a + 1) * x.log() - b / x


def log_logistic(x: Tensor, m: Tensor, s: Tensor) -> Tensor:
    z = (x - m) / s
    return -z - 2 * softplus(-z) - s.log()


def log_normal(x: Tensor, m: Tensor, s: Tensor) -> Tensor:
    return -0.5 * ((x - m) / s) ** 2 - s.log() - 0.5 * math.log(2 * math.pi)


def log_student(x: Tensor, df: Tensor, m: Tensor, s: Tensor) -> Tensor:
    norm = torch.lgamma((df + 1) / 2) - torch.lgamma(df / 2) - 0.5 * torch.log(math.pi * df)
    return norm - s.log() - (df + 1) / 2 * torch.log1p(((x - m) / s) ** 2 / df)


def log_weibull(x: Tensor, s: Tensor, k: Tensor) -> Tensor:
    return torch.log(k / s) + (k - 1) * torch.log(x / s) - (x / s) ** k


DENSITIES: dict[str, tuple[Callable[..., Tensor], Interval]] = {
    "Normal": (log_normal, REALS),
    "StudentT": (log_student, REALS),
    "Cauchy": (log_cauchy, REALS),
    "Gumbel": (log_gumbel, REALS),
    "Logistic": (log_logistic, REALS),
    "Laplace": (lambda x, m, s: -torch.abs(x - m) / s - torch.log(2 * s), REALS),
    "LogNormal": (lambda x, m, s: log_normal(x.log(), m, s) - x.log(), POSITIVE),
    "Exponential": (lambda x, r: r.log() - r * x, POSITIVE),
    "Gamma": (log_gamma, POSITIVE),
    "InverseGamma": (log_inverse_gamma, POSITIVE),
    "Chi2": (lambda x, df: log_gamma(x, df / 2, torch.full_like(df, 0.5)), POSITIVE),
    "HalfNormal": (lambda x, s: log_normal(x, torch.zeros_like(s), s) + math.log(2), POSITIVE),
    "HalfCauchy": (lambda x, s: log_cauchy(x, torch.zeros_like(s), s) + math.log(2), POSITIVE),
    "Weibull": (log_weibull, POSITIVE),
    "Pareto": (lambda x, s, a: a.log() + a * s.log() - (a + 1) * x.log(), POSITIVE),
    "Beta": (lambda x, a, b: (a - 1) * x.log() + (b - 1) * torch.log1p(-x) - log_beta(a, b), UNIT),
    "Uniform": (lambda x, low, high: -torch.log(high - low) + 0 * x, UNIT),
}
FUNCTIONS: dict[str, Any] = {
    **{f.__name__: f for f in (torch.exp, torch.log, torch.sin, torch.cos, torch.tanh)},
    **{f.__name__: f for f in (torch.sigmoid, torch.lgamma, torch.abs, torch.sqrt, softplus)},
    "sum": lambda x: x.sum(-1, keepdim=True),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=-1, keepdim=True),
    "all": lambda x: x.all(-1, keepdim=True),
    "any": lambda x: x.any(-1, keepdim=True),
    "max": lambda x, y: x.clamp(min=y),
}


def evaluate(text: str, values: Values) -> Tensor:
    """An expression of the language; each variable is (n, size), each list of data (m,)."""
    text = re.sub(r"(\w+)\[(\d+)\]", r"\1[:, \2:\2 + 1]", text)
    text = text.replace("^", "**")
    return eval(text, FUNCTIONS | values)  # type: ignore[no-any-return]


def written(value: Any) -> str:
    """A number, a list or a name as the language writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, Sequence | np.ndarray):
        return f"[{', '.join(written(v) for v in value)}]"
    return f"{value:.10g}"


# Programs.


@dataclass(frozen=True)
class Factor:
    """A factor's text, its log values (n,) given all values and those of its target."""

    text: str
    log: Callable[[Values, Tensor], Tensor]
    support: Interval = REALS

    def power(self, w: float) -> Factor:
        if w == 1:
            return self
        return Factor(f"{self.text}^{written(w)}", lambda v, x: w * self.log(v, x), self.support)


def density(name: str, *args: Any) -> Factor:
    """An expert; its arguments are numbers, lists, or names of variables and of data."""
    log, support = DENSITIES[name]
    if name == "Uniform":
        support = args
    if name == "Pareto":
        support = (args[0], math.inf)

    def value(values: Values, x: Tensor) -> Tensor:
        read = (
            values[a] if isinstance(a, str) else torch.tensor(a, dtype=torch.float64) for a in args
        )
        return log(x, *read).sum(-1)

    return Factor(f"{name}({', '.join(map(written, args))})", value, support)


def reward(text: str) -> Factor:
    return Factor(f"exp({text})", lambda values, _: evaluate(text, values)[..., 0])


def where(text: str) -> Factor:
    """A condition: comparisons, `and` between them before `or`."""

    def value(values: Values, _: Tensor) -> Tensor:
        cases = [
            torch.stack([evaluate(part, values)[..., 0] for part in case.split(" and ")]).all(0)
            for case in text.split(" or ")
        ]
        return torch.stack(cases).any(0).double().log()

    return Factor(f"where({text})", value)


def mixture(weights: Sequence[float], parts: Sequence[Factor]) -> Factor:
    def value(values: Values, x: Tensor) -> Tensor:
        logs = [math.log(w) + p.log(values, x) for w, p in zip(weights, parts, strict=True)]
        return torch.stack(logs).logsumexp(0)

    texts = (f"{written(w)}: {p.text}" for w, p in zip(weights, parts, strict=True))
    return Factor(f"mixture({', '.join(texts)})", value)


class Draft:
    """A program as it is written, and the log of its target."""

    def __init__(self, **sizes: int) -> None:
        self.sizes = sizes
        self.lines = [f"{name} : Real[{size}]" for name, size in sizes.items() if size > 1]
        self.data: Values = {}
        self.shorts: dict[str, str] = {}
        self.factors: list[tuple[str, Factor]] = []
        self.places: dict[str, int] = {}
        for name, size in sizes.items():
            start = len(self.places)
            parts = [name] if size == 1 else [f"{name}[{i}]" for i in range(size)]
            self.places |= {part: start + i for i, part in enumerate(parts)}
        self.supports = [REALS] * len(self.places)

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def let(self, **data: Sequence[float]) -> None:
        for name, numbers in data.items():
            self.lines.append(f"let {name} = {written(numbers)}")
            self.data[name] = torch.tensor(numbers, dtype=torch.float64)

    def short(self, name: str, text: str) -> None:
        """A name for an expression in variables."""
        self.lines.append(f"let {name} = {text}")
        self.shorts[name] = text

    def on(self, target: str, *factors: Factor) -> None:
        """One statement."""
        self.lines.append(f"{target} ~ {' * '.join(f.text for f in factors)}")
        for factor in factors:
            self.factors.append((target, factor))
            low, high = factor.support
            for part, i in self.places.items():
                if part == target or part.startswith(f"{target}["):
                    self.supports[i] = max(low, self.supports[i][0]), min(high, self.supports[i][1])

    def values(self, x: Tensor) -> Values:
        columns = x.split(list(self.sizes.values()), 1)
        values = self.data | dict(zip(self.sizes, columns, strict=True))
        for name, text in self.shorts.items():
            values[name] = evaluate(text, values)
        return values

    def log(self, x: Tensor) -> Tensor:
        """(n,) at points (n, D)."""
        values = self.values(x)
        logs = [factor.log(values, evaluate(target, values)) for target, factor in self.factors]
        total = torch.stack([log.expand(len(x)) for log in logs]).sum(0)
        return torch.where(torch.isnan(total), -math.inf, total)


# Exact answers.


@dataclass(frozen=True)
class Exact:
    log_evidence: float
    mean: Tensor
    sd: Tensor

    def agrees(self, other: Exact) -> bool:
        return bool(
            abs(self.log_evidence - other.log_evidence) < 1e-3
            and ((self.mean - other.mean).abs() < 0.003 * other.sd).all()
            and ((self.sd - other.sd).abs() < 0.02 * other.sd).all()
        )


#: Means and variances (n, k) of further components, given the others.
Given = Callable[[Tensor], tuple[Tensor, Tensor]]


def moments(log_weights: Tensor, x: Tensor, given: Given | None = None) -> Exact:
    """What weighted points say, where exp(log_weights) sum to Z."""
    weights = log_weights.softmax(0)
    means, variances = x, torch.zeros_like(x)
    if given is not None:
        more, spread = given(x)
        means, variances = torch.cat([means, more], 1), torch.cat([variances, spread], 1)
    mean = weights @ means
    variance = weights @ (variances + (means - mean) ** 2)
    return Exact(float(log_weights.logsumexp(0)), mean, variance.sqrt())


def in_units(u: Tensor, supports: Sequence[Interval], wide: bool) -> tuple[Tensor, Tensor]:
    """Values from coordinates on all numbers, and the log of the derivative."""
    columns, total = [], torch.zeros(len(u)).double()
    for v, (low, high) in zip(u.T, supports, strict=True):
        if math.isfinite(high):
            columns.append(low + (high - low) * v.sigmoid())
            total = total + math.log(high - low) + logsigmoid(v) + logsigmoid(-v)
        elif math.isfinite(low):
            columns.append(low + v.exp())
            total = total + v
        elif wide:
            columns.append(v.sinh())
            total = total + v.abs() + torch.log1p(torch.exp(-2 * v.abs())) - math.log(2)
        else:
            columns.append(v)
    return torch.stack(columns, 1), total


class Coordinates:
    """Points of a program as centre + basis v, on all numbers."""

    def __init__(self, draft: Draft, centre: Tensor, basis: Tensor, wide: bool = False) -> None:
        self.draft, self.centre, self.basis, self.wide = draft, centre, basis, wide
        self.stretch = float(torch.linalg.slogdet(basis).logabsdet)

    def at(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Values (n, D), and logs of the target over v (n,)."""
        xs, logs = [], []
        for part in v.split(CHUNK):
            u = self.centre + part @ self.basis.T
            x, derivative = in_units(u, self.draft.supports, self.wide)
            logs.append(self.draft.log(x) + derivative + self.stretch)
            xs.append(x)
        log = torch.cat(logs)
        return torch.cat(xs), torch.where(torch.isnan(log), -math.inf, log)


def midpoints(low: Tensor, high: Tensor, count: int) -> Tensor:
    steps = (torch.arange(count).double() + 0.5) / count
    axes = [a + (b - a) * steps for a, b in zip(low, high, strict=True)]
    return torch.cartesian_prod(*axes).reshape(-1, len(axes))


def on_grid(
    at: Coordinates, low: Tensor, high: Tensor, count: int, depth: float, given: Given | None
) -> tuple[Exact, Tensor, Tensor]:
    """Moments on a grid over the box in which the target is above exp(-depth) of its maximum."""
    for _ in range(80):
        v = midpoints(low, high, count)
        x, logs = at.at(v)
        if not torch.isfinite(logs.max()):
            raise AgainError("no finite value")
        near, step = v[logs >= logs.max() - depth], (high - low) / count
        first, last = near.amin(0), near.amax(0)
        below, above = first < low + 0.6 * step, last > high - 0.6 * step
        ends = (
            torch.where(below, low - (high - low) / 2, first - 2 * step),
            torch.where(above, high + (high - low) / 2, last + 2 * step),
        )
        if ((high - low) < 1e-9 * torch.maximum(low.abs(), high.abs())).any():
            raise AgainError("no end to where the target grows")
        if not (below | above).any() and (ends[1] - ends[0] > 0.8 * (high - low)).all():
            return moments(logs + step.log().sum(), x, given), low, high
        low, high = ends
    raise AgainError("no box holds the target")


def quadrature(
    draft: Draft,
    box: Sequence[Interval] = (),
    start: Sequence[float] = (),
    wide: bool = False,
    given: Given | None = None,
) -> Exact:
    """By the midpoint rule, scanning a box, or around the maximum that ``start`` leads to."""
    size = len(draft.supports)
    if len(start):
        at = laplace(draft, start)
        low, high = torch.full((2, size), 10.0).double() * torch.tensor([[-1], [1]])
    else:
        at = Coordinates(draft, torch.zeros(size).double(), torch.eye(size).double(), wide)
        low, high = torch.tensor(box or [(-12, 12)] * size, dtype=torch.float64).T
    results = []
    for i, count in enumerate(COUNTS[size]):
        exact, low, high = on_grid(at, low, high, count, 30 + 8 * i, given)
        results.append(exact)
        if i and results[-1].agrees(results[-2]):
            return exact
    raise AgainError("the grids disagree")


def laplace(draft: Draft, start: Sequence[float]) -> Coordinates:
    """Coordinates in which the target is about a standard Gaussian around its maximum."""
    size = len(start)
    plain = Coordinates(draft, torch.zeros(size).double(), torch.eye(size).double())

    def minus_log(u: Tensor) -> Tensor:
        return -plain.at(u[None])[1][0]

    def hessian(u: Tensor) -> Tensor:
        return torch.as_tensor(torch.autograd.functional.hessian(minus_log, u))

    found = scipy.optimize.minimize(
        lambda u: float(minus_log(torch.tensor(u))),
        np.array(start, float),
        jac=lambda u: torch.autograd.functional.jacobian(minus_log, torch.tensor(u)).numpy(),
        hess=lambda u: hessian(torch.tensor(u)).numpy(),
        method="trust-exact",
    )
    centre = torch.tensor(found.x)
    try:
        basis = torch.linalg.cholesky(hessian(centre).inverse())
    except torch.linalg.LinAlgError as error:
        raise AgainError("no maximum") from error
    return Coordinates(draft, centre, basis)


def importance(draft: Draft, start: Sequence[float], dice: Dice) -> Exact:
    """By a million draws of a Student t that is fitted to the target."""
    df, size, at = 5, len(start), laplace(draft, start)
    constant = (
        math.lgamma((df + size) / 2) - math.lgamma(df / 2) - size / 2 * math.log(df * math.pi)
    )
    for draws in (100_000, 100_000, 1_000_000):
        normal = dice.rng.standard_normal((draws, size))
        v = torch.tensor(normal / np.sqrt(dice.rng.chisquare(df, (draws, 1)) / df))
        x, logs = at.at(v)
        logs = logs - constant + (df + size) / 2 * torch.log1p(v.square().sum(1) / df)
        weights = logs.softmax(0)
        mean = weights @ v
        covariance = (weights[:, None] * (v - mean)).T @ (v - mean)
        exact = moments(logs - math.log(draws), x)
        errors = (weights @ (weights[:, None] * ((x - exact.mean) / exact.sd) ** 2)).sqrt()
        error = float((weights - 1 / draws).square().sum().sqrt())
        at = Coordinates(
            draft, at.centre + at.basis @ mean, at.basis @ torch.linalg.cholesky(covariance)
        )
    if error > 0.005 or errors.max() > 0.01:
        raise AgainError("importance sampling is too noisy")
    return exact


def answer(draft: Draft, start: Sequence[float], dice: Dice) -> Exact:
    """For targets with one maximum."""
    return quadrature(draft, start=start) if len(start) <= 3 else importance(draft, start, dice)


# Random numbers.


class Dice:
    """Random numbers with three digits, as people write them."""

    def __init__(self, *seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def number(self, low: float, high: float) -> float:
        return float(f"{self.rng.uniform(low, high):.3g}")

    def scale(self, low: float, high: float) -> float:
        """Even in the logarithm."""
        return float(f"{math.exp(self.rng.uniform(math.log(low), math.log(high))):.3g}")

    def whole(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def pick(self, *options: Any) -> Any:
        return options[self.rng.integers(len(options))]

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def numbers(self, low: float, high: float, size: int) -> Any:
        """One number for a single component, and a list or one number for all for several."""
        if size == 1 or self.chance(0.3):
            return self.number(low, high)
        return [self.number(low, high) for _ in range(size)]

    def weights(self, count: int) -> list[float]:
        """Two digits, and one as their sum."""
        counts = 5 + self.rng.multinomial(100 - 5 * count, [1 / count] * count)
        return [int(c) / 100 for c in counts]


def listed(numbers: Any) -> list[float]:
    return [float(f"{v:.4g}") for v in np.asarray(numbers, float)]


# Kinds of programs. Each returns a program and its exact answer.

Drawn = tuple[Draft, Exact]


def gaussians(dice: Dice) -> Drawn:
    """Products, quotients and powers, in closed form; rewards of degree one and two."""
    size, unit = dice.whole(1, 6), dice.scale(0.01, 100)
    draft = Draft(x=size)
    precision, shift = torch.zeros(size, size).double(), torch.zeros(size).double()
    positive, constant = precision.clone(), 0.0
    factors = []
    for i in range(dice.whole(2, 4)):
        w = dice.pick(1, 1, 1, 2, 0.5) if i == 0 else dice.pick(1, 1, 1, 0.5, 1.5, 3, -0.5, -1)
        factor, mean, covariance = gaussian(dice, size, unit)
        factors.append(factor.power(w))
        inverse = covariance.inverse()
        precision, shift = precision + w * inverse, shift + w * inverse @ mean
        positive = positive + max(w, 0) * inverse
        constant -= w * float(torch.logdet(2 * math.pi * covariance) + mean @ inverse @ mean) / 2
    if dice.chance(0.3):
        a, c = dice.number(-2, 2), dice.number(-1, 1)
        narrow = float(f"{dice.number(0.1, 2) / unit**2:.3g}")
        name, j = ("x", 0) if size == 1 else (f"x[{size - 1}]", size - 1)
        factors.append(reward(f"{a} * {name} - {narrow} * ({name} - {c})^2"))
        precision[j, j] += 2 * narrow
        shift[j] += a + 2 * narrow * c
        constant -= narrow * c**2
    least, before = torch.linalg.eigvalsh(precision)[0], torch.linalg.eigvalsh(positive)[0]
    if least < 0.03 * before:
        raise AgainError("hardly a density")
    draft.on("x", *factors[:2])
    for factor in factors[2:]:
        draft.on("x", factor)
    covariance = precision.inverse()
    log_evidence = constant + 0.5 * float(
        shift @ covariance @ shift + torch.logdet(2 * math.pi * covariance)
    )
    return draft, Exact(log_evidence, covariance @ shift, covariance.diagonal().sqrt())


def gaussian(dice: Dice, size: int, unit: float) -> tuple[Factor, Tensor, Tensor]:
    """A Gaussian, its mean and its covariance."""
    loc = listed(unit * dice.rng.uniform(-3, 3, size))
    mean = torch.tensor(loc, dtype=torch.float64)
    if size == 1 or dice.chance(0.6):
        scale = listed(unit * dice.rng.uniform(0.3, 2, size))
        args = (loc, scale) if size > 1 else (loc[0], scale[0])
        variances = torch.tensor(scale, dtype=torch.float64).square()
        return density("Normal", *args), mean, variances.diag()
    root = dice.rng.standard_normal((size, size))
    spread = unit**2 * (root @ root.T / size + dice.pick(0.3, 0.03) * np.eye(size))
    rows = [listed(row) for row in spread]
    covariance = torch.tensor(rows, dtype=torch.float64)
    both = torch.distributions.MultivariateNormal(mean, covariance)
    text = f"MultivariateNormal({written(loc)}, covariance_matrix = {written(rows)})"
    return Factor(text, lambda _, x: both.log_prob(x)), mean, covariance


POSITIVES: Table = {
    "Gamma": ((0.5, 15), (0.1, 8)),
    "LogNormal": ((-2, 2), (0.2, 2)),
    "InverseGamma": ((1, 5), (0.3, 5)),
    "Weibull": ((0.3, 3), (0.7, 4)),
    "HalfNormal": ((0.3, 5),),
    "Exponential": ((0.2, 3),),
    "Chi2": ((1, 8),),
    "HalfCauchy": ((0.3, 3),),
    "Pareto": ((0.2, 1), (1, 4)),
    "Normal": ((-3, 6), (0.1, 2)),
}


def some(dice: Dice, table: Table, size: int) -> Factor:
    """One of a table's densities."""
    name = dice.pick(*table)
    if name == "Pareto":
        size = 1
    return density(name, *(dice.numbers(*span, size) for span in table[name]))


def positive(dice: Dice) -> Drawn:
    """Densities above zero, their powers and quotients, some with a reward."""
    size = dice.pick(1, 1, 2)
    draft = Draft(x=size)
    first = {name: spans for name, spans in POSITIVES.items() if name != "Normal"}
    factors = [some(dice, first, size).power(dice.pick(1, 1, 2, 1.5))]
    for _ in range(dice.whole(1, 3)):
        factors.append(some(dice, POSITIVES, size).power(dice.pick(1, 1, 1, 0.5, 2, -0.5)))
    if dice.chance(0.25):
        factors.append(
            reward(f"{dice.number(0.5, 4)} * sum(log(x)) - {dice.number(0.1, 2)} * sum(x)")
        )
    draft.on("x", *factors)
    return draft, quadrature(draft)


def unit_interval(dice: Dice) -> Drawn:
    """Densities between two ends, and others restricted to them; successes in trials."""
    size = dice.pick(1, 1, 2)
    draft = Draft(x=size)
    table: Table = {
        "Beta": ((0.5, 15), (0.5, 15)),
        "Normal": ((-1, 2), (0.05, 1)),
        "Exponential": ((0.2, 5),),
        "LogNormal": ((-1, 0), (0.3, 1)),
        "Gamma": ((0.6, 4), (0.5, 5)),
        "Laplace": ((0, 1), (0.1, 1)),
    }
    first = (
        density("Uniform", dice.pick(0, 0.1, -1), dice.pick(1, 0.7, 3))
        if dice.chance(0.4)
        else density("Beta", dice.numbers(0.5, 6, size), dice.numbers(0.5, 6, size))
    )
    draft.on("x", first)
    for _ in range(dice.whole(0, 2)):
        draft.on("x", some(dice, table, size).power(dice.pick(1, 1, 2, 0.5, -0.5)))
    low, high = draft.supports[0]
    if dice.chance(0.5) and low >= 0 and high <= 1:
        trials = dice.pick(10, 100, 10_000)
        hits = dice.whole(0, trials)
        draft.on("x", reward(f"sum({hits} * log(x) + {trials - hits} * log(1 - x))"))
    return draft, quadrature(draft)


def bumps(dice: Dice, size: int) -> Factor:
    """A mixture."""
    count = dice.whole(2, 6)
    name = dice.pick("Normal", "Normal", "Normal", "Laplace", "Logistic")
    parts = [density(name, dice.numbers(-8, 8, size), dice.scale(0.1, 2)) for _ in range(count)]
    return mixture(dice.weights(count), parts)


def mixtures(dice: Dice) -> Drawn:
    """Mixtures to powers, with one another, with Gaussians and with rewards."""
    size = dice.pick(1, 2)
    draft = Draft(x=size)
    draft.on("x", bumps(dice, size).power(dice.pick(1, 1, 2, 4, 0.5)))
    for _ in range(dice.whole(0, 2)):
        more = bumps(dice, size) if dice.chance(0.5) else density("Normal", 0, dice.number(1, 6))
        draft.on("x", more.power(dice.pick(1, 1, 0.5)))
    if dice.chance(0.3):
        draft.on("x", reward(f"{dice.number(-1, 1)} * sum(x)"))
    return draft, quadrature(draft)


def constraints(dice: Dice) -> Drawn:
    """Conditions in the bulk, in a tail, at an edge and between two modes."""
    size = dice.pick(1, 2, 2)
    draft = Draft(x=size)
    loc, scale = dice.numbers(-1, 1, size), dice.numbers(0.6, 2, size)
    factors = [density("Normal", loc, scale)]
    if dice.chance(0.3):
        c, s = dice.number(1.5, 6), dice.scale(0.1, 1)
        factors = [mixture([0.5, 0.5], [density("Normal", -c, s), density("Normal", c, s)])]
    if dice.chance(0.4):
        factors.append(reward(f"-{dice.number(0.05, 0.5)} * sum(x^4)"))
    if dice.chance(0.4):
        factors.append(density("Normal", dice.numbers(-1, 1, size), dice.number(1, 3)))
    a, b = dice.number(-1, 4), dice.scale(0.05, 4)
    common = [
        f"all(x > {a})",
        f"norm(x) > {b}",
        f"norm(x) < {b}",
        f"all(x > {-b}) and all(x < {a + 1.5:.4g})",
        f"any(abs(x) > {b})",
    ]
    single = [f"x > {a}", f"abs(x) < {b}", f"abs(x) > {b}", f"x < {-b} or x > {a + 2:.4g}"]
    pairs = [
        f"x[0] > {a}",
        f"x[0] > x[1] + {a}",
        f"x[0] + {b} * x[1] > {a}",
        f"abs(x[0] - x[1]) < {b}",
        f"x[0] > 0 and x[1] > x[0]^2 - {b}",
        f"x[0] * x[1] > {b}",
    ]
    condition = dice.pick(*common, *(single if size == 1 else pairs + pairs))
    draft.on("x", *factors, where(condition))
    return draft, quadrature(draft)


SCALES: Table = {
    "HalfNormal": ((0.5, 5),),
    "HalfCauchy": ((0.5, 3),),
    "Exponential": ((0.2, 2),),
    "Gamma": ((1.5, 4), (0.3, 2)),
    "InverseGamma": ((1.5, 4), (0.5, 3)),
    "LogNormal": ((-1, 1), (0.3, 1.2)),
}


def mean_and_scale(dice: Dice) -> Drawn:
    """Numbers with an unknown mean and an unknown scale."""
    draft = Draft(mu=1, s=1)
    centre, spread, wide = dice.number(-10, 10), dice.scale(0.1, 10), dice.pick(1, 3, 10, 100, 1000)
    y = listed(dice.rng.normal(centre, spread, dice.whole(4, 50)))
    draft.let(y=y)
    draft.on("mu", density("Normal", 0, wide))
    vague = density("HalfNormal", dice.pick(10, 100))
    draft.on("s", vague if dice.chance(0.3) else some(dice, SCALES, 1))
    draft.on("mu", reward(f"-0.5 * sum(((y - mu) / s)^2) - {len(y)} * log(s)"))
    return draft, quadrature(draft, start=(centre, math.log(spread)))


def groups(dice: Dice) -> Drawn:
    """Means of groups around an unknown mean with an unknown scale; the groups integrate out."""
    count = dice.whole(2, 10)
    draft, rest = Draft(mu=1, tau=1, theta=count), Draft(mu=1, tau=1)
    sigma = listed(dice.scale(0.1, 5) * dice.rng.uniform(0.5, 2, count))
    spread = dice.scale(0.1, 5)
    y = listed(dice.rng.normal(dice.number(-3, 3), np.hypot(spread, sigma)))
    above, below = density("Normal", 0, dice.pick(2, 5, 20)), some(dice, SCALES, 1)
    observed = density("Normal", y, sigma)
    if dice.chance(0.5):
        draft.let(y=y, sigma=sigma)
        observed = reward("-0.5 * sum(((y - theta) / sigma)^2)")
    draft.on("mu", above)
    draft.on("tau", below)
    draft.on("theta", density("Normal", "mu", "tau"), observed)
    rest.on("mu", above)
    rest.on("tau", below)
    ys, sigmas = torch.tensor(y, dtype=torch.float64), torch.tensor(sigma, dtype=torch.float64)
    constant = 0.0
    if observed.text.startswith("exp"):
        constant = float((sigmas.log() + 0.5 * math.log(2 * math.pi)).sum())

    def marginal(values: Values, mu: Tensor) -> Tensor:
        scale = (values["tau"] ** 2 + sigmas**2).sqrt()
        return log_normal(ys, mu, scale).sum(-1) + constant

    def given(x: Tensor) -> tuple[Tensor, Tensor]:
        mu, precision = x[:, :1], x[:, 1:] ** -2
        variance = 1 / (precision + sigmas**-2)
        return variance * (precision * mu + ys / sigmas**2), variance

    rest.on("mu", Factor("", marginal))
    return draft, quadrature(rest, given=given)


def hierarchies(dice: Dice) -> Drawn:
    """Variables whose densities depend on others: means, scales, groups and chains."""
    shape = dice.pick("data", "data", "groups", "groups", "mean", "scale", "chain")
    if shape == "data":
        return mean_and_scale(dice)
    if shape == "groups":
        return groups(dice)
    if shape == "chain":
        size = dice.whole(3, 6)
        draft = Draft(x=size)
        draft.on("x[0]", density("Normal", 0, dice.number(0.5, 3)))
        step = dice.number(0.3, 2)
        for i in range(1, size):
            draft.on(f"x[{i}]", chained(f"x[{i - 1}]", step))
        for i in range(size):
            if dice.chance(0.5):
                draft.on(f"x[{i}]", density("Normal", dice.number(-5, 5), dice.scale(0.1, 2)))
        return draft, answer(draft, [0.0] * size, dice)
    draft = Draft(y=1, x=1)
    if shape == "mean":
        draft.on("y", density("Normal", 0, dice.number(0.5, 5)))
        factors = [density("Normal", "y", dice.number(0.3, 2))]
    else:
        draft.on("y", some(dice, SCALES, 1))
        factors = [density("Normal", dice.number(-1, 1), "y")]
    if dice.chance(0.7):
        factors.append(density("Normal", dice.number(-8, 8), dice.scale(0.05, 2)))
    elif shape == "mean":
        factors.append(reward(f"-{dice.number(0.2, 3)} * (x - {dice.number(-4, 4)})^2"))
    draft.on("x", *factors)
    return draft, quadrature(draft)


def chained(centre: str, scale: float) -> Factor:
    """A Gaussian around another component."""
    text = f"Normal({centre}, {written(scale)})"
    spread = torch.tensor(scale, dtype=torch.float64)
    return Factor(text, lambda values, x: log_normal(x, evaluate(centre, values), spread).sum(-1))


def predictor(dice: Dice, draft: Draft, size: int, rows: int) -> tuple[Any, list[float]]:
    """Random data for ``b`` of a regression: eta at true coefficients, and these."""
    shift = dice.pick(0, 0, 0, 5, 20)
    truth = dice.rng.normal(0, 1 if size < 4 else 0.7, size)
    eta, terms = np.zeros(rows), []
    intercept = size > 1 or dice.chance(0.5)
    for i in range(size):
        name = "b" if size == 1 else f"b[{i}]"
        if i == 0 and intercept:
            eta, terms = eta + truth[0], [name]
            continue
        x = listed(dice.rng.normal(shift, 1, rows))
        draft.let(**{f"x{i}": x})
        eta = eta + truth[i] * (np.asarray(x) - shift)
        if intercept:
            truth[0] -= shift * truth[i]
        terms.append(f"{name} * x{i}")
    draft.short("eta", " + ".join(terms))
    return eta, list(truth)


def logistic(dice: Dice) -> Drawn:
    """Logistic regression with one to six coefficients."""
    size = dice.whole(1, 6)
    draft = Draft(b=size)
    eta, truth = predictor(dice, draft, size, dice.pick(15, 50, 200))
    y = (dice.rng.random(len(eta)) < 1 / (1 + np.exp(-eta))).astype(float)
    draft.let(y=list(y))
    draft.on("b", density("Normal", 0, dice.pick(1, 2.5, 10, 100, 1000)))
    draft.on("b", reward("sum(y * eta - softplus(eta))"))
    return draft, answer(draft, truth, dice)


def counts(dice: Dice) -> Drawn:
    """Poisson and negative binomial regression."""
    size = dice.whole(1, 4)
    negative = dice.chance(0.4)
    draft = Draft(b=size, k=1) if negative else Draft(b=size)
    eta, truth = predictor(dice, draft, size, dice.pick(8, 30, 100))
    rate = np.exp(np.clip(eta + dice.pick(0, 0, 3), -20, 7))
    if negative:
        rate = rate * dice.rng.gamma(2, 0.5, len(rate))
    draft.let(y=list(dice.rng.poisson(rate).astype(float)))
    draft.on("b", density("Normal", 0, dice.pick(1, 2.5, 10, 100, 1000)))
    if not negative:
        more = " - lgamma(y + 1)" if dice.chance(0.5) else ""
        draft.on("b", reward(f"sum(y * eta - exp(eta){more})"))
        return draft, answer(draft, truth, dice)
    draft.on("k", density("Gamma", 2, dice.pick(0.1, 0.5, 1)))
    draft.on("b", reward("sum(lgamma(y + k) - lgamma(y + 1) - lgamma(k))"))
    draft.on("b", reward("sum(y * eta + k * log(k) - (y + k) * log(exp(eta) + k))"))
    return draft, answer(draft, [*truth, math.log(2)], dice)


def regression(dice: Dice) -> Drawn:
    """Linear regression: with known noise in closed form, with unknown noise, and robust."""
    noise = dice.pick("known", "known", "unknown", "robust")
    size, spread = dice.whole(1, 6 if noise == "known" else 4), dice.scale(0.03, 5)
    draft = Draft(b=size, s=1) if noise == "unknown" else Draft(b=size)
    eta, truth = predictor(dice, draft, size, dice.whole(size + 3, 50))
    tail = dice.rng.standard_t(3, len(eta)) if noise == "robust" else dice.rng.normal(size=len(eta))
    y = listed(eta + spread * tail)
    draft.let(y=y)
    prior = dice.pick(1, 3, 10, 100, 1000)
    draft.on("b", density("Normal", 0, prior))
    if noise == "unknown":
        draft.on("s", density("HalfNormal", 100) if dice.chance(0.3) else some(dice, SCALES, 1))
        draft.on("b", reward(f"-0.5 * sum(((y - eta) / s)^2) - {len(y)} * log(s)"))
        return draft, answer(draft, [*truth, math.log(spread)], dice)
    if noise == "robust":
        draft.on("b", reward(f"-2 * sum(log(1 + ((y - eta) / {spread})^2 / 3))"))
        return draft, answer(draft, truth, dice)
    draft.on("b", reward(f"-0.5 * sum(((y - eta) / {spread})^2)"))
    return draft, linear(draft, size, prior, spread)


def linear(draft: Draft, size: int, prior: float, spread: float) -> Exact:
    """In closed form: the columns are the predictor at unit vectors."""
    design = evaluate("eta", draft.values(torch.eye(size).double()))
    y = draft.data["y"]
    columns = design.expand(size, len(y)).T / spread
    precision = columns.T @ columns + torch.eye(size).double() / prior**2
    covariance = precision.inverse()
    mean = covariance @ (columns.T @ (y / spread))
    log_evidence = 0.5 * float(
        torch.logdet(covariance) + mean @ precision @ mean - (y / spread).square().sum()
    ) - size * math.log(prior)
    return Exact(log_evidence, mean, covariance.diagonal().sqrt())


def heavy_tails(dice: Dice) -> Drawn:
    """Student and Cauchy densities, with one another and with data far out."""
    size = dice.pick(1, 1, 2)
    draft = Draft(x=size)
    student = density(
        "StudentT", dice.number(1.2, 6), dice.numbers(-5, 5, size), dice.scale(0.1, 3)
    )
    cauchy = density("Cauchy", dice.numbers(-3, 3, size), dice.scale(0.3, 3))
    shape = dice.pick("product", "data", "cauchy data")
    if shape == "product":
        factors = [dice.pick(student, cauchy), density("StudentT", 3, 0, 1)]
        if dice.chance(0.5):
            factors.append(density("StudentT", dice.number(2, 8), dice.numbers(-12, 12, size), 1))
        if dice.chance(0.3):
            factors.append(density(dice.pick("Gumbel", "Logistic"), 0, dice.number(0.5, 2)))
        draft.on("x", *factors)
        return draft, quadrature(draft, wide=True)
    centre, spread = dice.number(-40, 40), dice.scale(0.1, 3)
    y = listed(dice.rng.normal(centre, spread, dice.whole(1, 12)))
    draft.let(y=y)
    draft.on("x", dice.pick(student, cauchy, density("Normal", 0, dice.pick(3, 10))))
    for i in range(size):
        z = f"((y - {'x' if size == 1 else f'x[{i}]'}) / {spread})^2"
        factor = f"-0.5 * sum({z})" if shape == "data" else f"-sum(log(1 + {z}))"
        draft.on("x", reward(factor))
    return draft, quadrature(draft, wide=True)


def rewards(dice: Dice) -> Drawn:
    """Gaussians with rewards of many forms."""
    size = dice.pick(1, 2)
    draft = Draft(x=size)
    draft.on("x", density("Normal", dice.numbers(-1, 1, size), dice.numbers(0.5, 3, size)))
    draft.on("x", *(reward(form(dice, size)) for _ in range(dice.whole(1, 2))))
    return draft, quadrature(draft)


def form(dice: Dice, size: int) -> str:
    """A reward that is bounded above on a Gaussian, or grows less than it falls."""
    a, b, c, d = dice.scale(0.3, 30), dice.scale(0.3, 6), dice.number(-3, 3), dice.number(-3, 3)
    forms = [
        f"{a} * sum(tanh({b} * x - {c}))",
        f"{a} * sum(sigmoid({b} * (x - {c})))",
        f"-{a} * sum(softplus({b} * x - {c}))",
        f"{a} * sum(sin({b} * x + {c}))",
        f"-{a} * sum(abs(x - {c}))",
        f"-{a} * (norm(x) - {b})^2",
        f"-{a} * sum((x^2 - {b})^2)",
        f"{c} * sum(x) - {a} * sum(cos({b} * x))",
        f"log(exp(-{a} * sum((x - {c})^2)) + {b} * exp(-sum((x - {d})^2)))",
        f"-{a} * sqrt({b} + sum((x - {c})^2))",
        f"-{a} * sum(max(x - {c}, 0))",
    ]
    pairs = [
        f"-{a} * (x[0] * x[1] - {c})^2",
        f"-{a} * (x[1] - {b} * x[0]^2)^2",
        f"{a} * tanh(x[0] * x[1])",
    ]
    return str(dice.pick(*forms, *(pairs if size == 2 else [])))


def constants(dice: Dice) -> Drawn:
    """Constants in exponents, which change log Z by as much."""
    size = dice.pick(1, 2)
    draft = Draft(x=size)
    constant = dice.pick(-1, 1) * dice.scale(10, 10_000)
    sign = "-" if constant < 0 else "+"
    prior = dice.pick(
        density("Normal", 0, dice.scale(0.5, 20)),
        density("StudentT", 4, 0, dice.number(0.5, 3)),
        density("Laplace", 0, dice.number(0.5, 3)),
    )
    a, c = dice.scale(0.1, 50), dice.number(-2, 2)
    text = dice.pick(f"-{a} * sum((x - {c})^2)", form(dice, size))
    draft.on("x", prior, reward(f"{text} {sign} {written(abs(constant))}"))
    return draft, quadrature(draft, wide=True)


def scales(dice: Dice) -> Drawn:
    """Units from a ten-thousandth to ten thousand."""
    size = dice.pick(1, 2, 2)
    units = [dice.scale(1e-4, 1e4) for _ in range(size)]
    draft = Draft(x=size)

    def args(*spans: Interval, inverse: bool = False) -> list[Any]:
        """Parameters in these units."""
        rows = [
            listed([dice.number(*span) * (1 / u if inverse else u) for u in units])
            for span in spans
        ]
        return rows if size > 1 else [row[0] for row in rows]

    if dice.chance(0.3):
        draft.on("x", density("Gamma", dice.number(0.8, 4), *args((0.5, 2), inverse=True)))
        draft.on("x", density("HalfNormal", *args((0.5, 3))))
        box = [(math.log(u) - 12, math.log(u) + 6) for u in units]
        return draft, quadrature(draft, box=box)
    draft.on("x", density("Normal", *args((-1, 1), (0.5, 2))))
    if dice.chance(0.7):
        args_of = {"StudentT": [dice.whole(3, 8)]}
        name = dice.pick("Laplace", "StudentT", "Logistic", "Gumbel")
        draft.on("x", density(name, *args_of.get(name, []), *args((-1, 1), (0.5, 2))))
    draft.let(unit=units)
    last = (
        f"x[0] / {written(units[0])} * x[1] / {written(units[1])}" if size == 2 else "sum(x / unit)"
    )
    text = dice.pick(
        f"-{dice.number(0.1, 3)} * sum((x / unit - {dice.number(-1, 1)})^4)",
        f"{dice.number(-0.2, 0.2)} * {last}",
        f"-{dice.number(0.3, 3)} * sum(abs(x / unit))",
    )
    draft.on("x", reward(text))
    return draft, quadrature(draft, box=[(-12 * u, 12 * u) for u in units])


@poedsl.reward
def ripples(x: poedsl.Real[...], height: float, turns: float) -> Tensor:
    """Waves along each component; a black box."""
    return height * (turns * x.reshape(len(x), -1)).cos().sum(1)


@poedsl.reward
def stairs(x: poedsl.Real[...], height: float) -> Tensor:
    """How many whole numbers lie below, up to three; a black box."""
    return height * x.reshape(len(x), -1).floor().clamp(-3, 3).sum(1)


@poedsl.reward
def distance(x: poedsl.Real[...], to: float, weight: float) -> Tensor:
    """Minus a squared distance; a black box."""
    return -weight * (x.reshape(len(x), -1) - to).square().sum(1)


@poedsl.reward(gradient=True)
def ring(x: poedsl.Real[...], radius: float, weight: float) -> Tensor:
    """Minus the squared distance to a circle."""
    return -weight * (x.reshape(len(x), -1).square().sum(1).add(1e-12).sqrt() - radius) ** 2


@poedsl.reward(gradient=True)
def hill(x: poedsl.Real[...], at: float, height: float) -> Tensor:
    """A bump."""
    return height * (-(x.reshape(len(x), -1) - at).square().sum(1)).exp()


def python_rewards(dice: Dice) -> Drawn:
    """Rewards in Python, with and without a gradient."""
    size = dice.pick(1, 1, 2)
    draft = Draft(x=size)
    prior = dice.pick(
        density("Normal", dice.numbers(-1, 1, size), dice.number(0.5, 2)),
        density("Normal", 0, dice.number(0.5, 2)),
        density("StudentT", 5, 0, dice.number(0.5, 1.5)),
        density("Gamma", dice.number(1.5, 4), dice.number(0.5, 2)),
        bumps(dice, size),
    )
    draft.on("x", prior)
    if dice.chance(0.3):
        draft.on("x", density("Normal", dice.numbers(-2, 2, size), dice.number(0.7, 3)))
    function, arguments = dice.pick(
        (ripples, {"height": dice.number(0.3, 5), "turns": dice.scale(0.5, 8)}),
        (stairs, {"height": dice.number(-1.5, 1.5)}),
        (distance, {"to": dice.number(-2, 2), "weight": dice.scale(0.1, 100)}),
        (ring, {"radius": dice.number(0.5, 2), "weight": dice.scale(0.5, 50)}),
        (hill, {"at": dice.number(-2, 2), "height": dice.number(1, 10)}),
    )
    given = ", ".join(f"{name} = {written(value)}" for name, value in arguments.items())
    text = f"exp({function.__name__}({given}))"
    draft.on("x", Factor(text, lambda _, x: function(x, **arguments)))
    return draft, quadrature(draft, wide=True)


# fmt: off
KINDS: dict[str, Callable[[Dice], Drawn]] = {
    kind.__name__.replace("_", "-"): kind
    for kind in (
        gaussians, positive, unit_interval, mixtures, constraints, hierarchies, logistic, counts,
        regression, heavy_tails, rewards, constants, scales, python_rewards,
    )
}
# fmt: on


# Runs and the table.


@dataclass(frozen=True)
class Run:
    """A program, what is true of it, and what its run found."""

    number: int
    kind: str
    text: str
    exact: Exact
    seconds: float
    outcome: str
    why: str = ""
    mean: Tensor | None = None
    log_evidence: float | None = None
    error: float | None = None
    reliable: bool = False

    @property
    def distance(self) -> float:
        """The largest error of a mean, in exact standard deviations."""
        assert self.mean is not None
        return float(((self.mean - self.exact.mean) / self.exact.sd).abs().max())

    @property
    def missed(self) -> float:
        """The error of log Z."""
        return (self.log_evidence or 0.0) - self.exact.log_evidence

    @property
    def off(self) -> bool:
        missed = abs(self.missed)
        far = missed > max(4 * self.error, 0.02) if self.error is not None else missed > 0.3
        return not self.distance <= 0.3 or (self.log_evidence is not None and far)

    def __str__(self) -> str:
        lines = [f"--- {self.number} ({self.kind}), seed {self.number}, {self.seconds:.1f} s"]
        lines += [self.text, f"exact: log Z {self.exact.log_evidence:.4f}"]
        lines += [f"  mean {written(self.exact.mean.numpy())}, sd {written(self.exact.sd.numpy())}"]
        if self.mean is not None:
            lines += [f"found: log Z {self.log_evidence} +- {self.error}"]
            lines += [f"  mean {written(self.mean.numpy())}, {self.distance:.2f} sd off"]
            lines += ["reliable" if self.reliable else "doubtful"]
        return "\n".join([*lines, f"{self.outcome} {self.why}"])


def drawn(seed: int, number: int) -> tuple[str, Draft, Exact]:
    """The program with this number, its kind and its answer."""
    kind, dice = list(KINDS)[number % len(KINDS)], Dice(seed, number)
    while True:
        try:
            draft, exact = KINDS[kind](dice)
        except AgainError:
            continue
        if torch.isfinite(torch.cat([exact.mean, exact.sd])).all():
            return kind, draft, exact


def run(seed: int, number: int) -> Run:
    kind, draft, exact = drawn(seed, number)
    clock = time.perf_counter()

    def ended(outcome: str, why: str, **found: Any) -> Run:
        seconds = time.perf_counter() - clock
        return Run(number, kind, draft.text, exact, seconds, outcome, why, **found)

    try:
        result = poedsl.compile(draft.text).run(seed=number)
    except poedsl.PoeError as error:
        return ended("refused", str(error))
    except Exception:
        return ended("crashed", traceback.format_exc())
    why = "; ".join(f"{w.code} {w.message}" for w in result.warnings)
    if result.verdict is Verdict.FAILED:
        return ended("failed", why)
    values = [result.particles[name].reshape(len(result.log_weights), -1) for name in draft.sizes]
    weights = result.log_weights.double().softmax(0)
    return ended(
        "ran",
        why,
        mean=weights @ torch.cat(values, 1).double(),
        log_evidence=result.log_evidence,
        error=result.log_evidence_se,
        reliable=result.verdict is Verdict.RELIABLE,
    )


def rms_ratio(runs: list[Run]) -> float | None:
    """Errors of log Z over the standard errors."""
    ratios = [r.missed / r.error for r in runs if r.error]
    return math.sqrt(statistics.fmean(z * z for z in ratios)) if ratios else None


def row(name: str, runs: list[Run]) -> dict[str, Any]:
    """A line of the table."""
    ran = [r for r in runs if r.outcome == "ran"]
    known = [r for r in ran if r.log_evidence is not None and (r.error or 0) > SMALLEST_ERROR]
    return {
        "kind": name,
        "programs": len(runs),
        "off": sum(r.off for r in ran),
        "off, reliable": sum(r.off and r.reliable for r in ran),
        "right, doubtful": sum(not r.off and not r.reliable for r in ran),
        **{
            state: sum(r.outcome == state for r in runs)
            for state in ("failed", "refused", "crashed")
        },
        "no error": sum(r.error is None for r in ran),
        "RMS ratio": rms_ratio(known),
        "of the right": rms_ratio([r for r in known if not r.off]),
        "s": statistics.median(r.seconds for r in runs),
    }


def main() -> None:
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=500, help="how many programs")
    parser.add_argument("--seed", type=int, default=0, help="of the programs")
    parser.add_argument("--kind", choices=KINDS, help="programs of this kind only")
    parser.add_argument("--verbose", action="store_true", help="print each run that is off")
    add_out(parser, "random_programs")
    args = parser.parse_args()
    kinds = list(KINDS)
    if args.kind:
        numbers = [kinds.index(args.kind) + len(kinds) * i for i in range(args.count)]
    else:
        numbers = list(range(args.count))
    runs = []
    for number in numbers:
        runs.append(run(args.seed, number))
        if args.verbose and (runs[-1].outcome != "ran" or runs[-1].off):
            print(runs[-1], flush=True)
    grouped = {kind: [r for r in runs if r.kind == kind] for kind in kinds}
    rows = [row(kind, found) for kind, found in grouped.items() if found]
    rows.append(row("all", runs))
    print(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for line in rows:
        cells = (f"{v:.4g}" if isinstance(v, float) else str(v) for v in line.values())
        print(f"| {' | '.join(cells)} |")
    rates(rows[-1])
    if not args.kind:
        write(args, rows=rows)


def rates(total: dict[str, Any]) -> None:
    """How often the verdict is wrong, both ways."""
    ran = total["programs"] - total["failed"] - total["refused"] - total["crashed"]
    off, silent, false = total["off"], total["off, reliable"], total["right, doubtful"]

    def share(part: int, whole: int) -> str:
        return f"{part} of {whole} ({100 * part / max(whole, 1):.1f} %)"

    print(
        f"off and called reliable: {share(silent, off)} of those off, {share(silent, ran)} of all"
    )
    print(f"right and called doubtful: {share(false, ran - off)} of the right ones")


if __name__ == "__main__":
    main()
