"""Matrices, indices that come with data, comprehensions, scans and branches on tensors."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.grammar.errors import PoeError
from poedsl.runtime.terms.environment import Environment
from poedsl.runtime.terms.evaluate import evaluate
from tests.compiler.programs import planned
from tests.diagnostics import numbers, quoted, refused

INPUTS = """\
input y : Real[_]
input m : Real[4, 3]
input g : Int[_]
input h : Int[_]
input z : Int
"""
VARIABLES = """\
s ~ Normal(0, 1)
v : Real[3]
v ~ Normal(0, 1)
a : Real[3, 3]
a ~ Normal(0, 1)
"""
DATA = {
    "y": torch.tensor([[0.5, -1.0, 2.0, 0.25, 1.5]], dtype=torch.float64),
    "m": torch.arange(12, dtype=torch.float64).view(1, 4, 3) / 10,
    "g": torch.tensor([[0, 2, 2, 1, 0]]),
    "h": torch.tensor([[3, 0, 1, 1, 2]]),
}


def points(rows: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    kind = torch.float64
    a = torch.randn(rows, 3, 3, generator=generator, dtype=kind)
    return {
        "s": torch.rand(rows, generator=generator, dtype=kind),
        "v": torch.randn(rows, 3, generator=generator, dtype=kind),
        "a": a + 3 * torch.eye(3, dtype=kind),
    }


def value(expression: str, **values: Tensor) -> Tensor:
    """A number of variables and data, in double precision."""
    made = planned(f"{INPUTS}{VARIABLES}s ~ exp(sum({expression}))\n")
    term = made.factors[-1].term.args[0]  # type: ignore[union-attr]
    every: dict[str, Any] = {**DATA, **values}
    result: Tensor = evaluate(term, Environment(every, {}, torch.device("cpu"), torch.float64))
    return result


#: Expressions, each with the same in torch.
SAME: dict[str, Any] = {
    "a @ a": lambda s, v, a: a @ a,
    "a @ v": lambda s, v, a: torch.einsum("lij,lj->li", a, v),
    "v @ a": lambda s, v, a: torch.einsum("li,lij->lj", v, a),
    "v @ v": lambda s, v, a: (v * v).sum(1),
    "m @ v": lambda s, v, a: v @ DATA["m"][0].T,
    "m @ a": lambda s, v, a: DATA["m"][0] @ a,
    "a @ m.T": lambda s, v, a: a @ DATA["m"][0].T,
    "m.T @ m": lambda s, v, a: (DATA["m"][0].T @ DATA["m"][0])[None],
    "y[:3] @ a": lambda s, v, a: torch.einsum("i,lij->lj", DATA["y"][0, :3], a),
    "a @ y[:3]": lambda s, v, a: torch.einsum("lij,j->li", a, DATA["y"][0, :3]),
    "solve(a, v)": lambda s, v, a: torch.linalg.solve(a, v),
    "solve(a, m.T)": lambda s, v, a: torch.linalg.inv(a) @ DATA["m"][0].T,
    "solve(m[:3] + identity(3), v)": lambda s, v, a: (
        torch.linalg.solve(DATA["m"][0, :3] + torch.eye(3), v.T).T
    ),
    "inverse(a)": lambda s, v, a: torch.linalg.inv(a),
    "logdet(a @ a.T)": lambda s, v, a: 2 * torch.linalg.slogdet(a).logabsdet,
    "cholesky(a @ a.T)": lambda s, v, a: torch.linalg.cholesky(a @ a.mT),
    "outer(v, y)": lambda s, v, a: v[:, :, None] * DATA["y"][:, None, :],
    "logsumexp(a, axis = 0)": lambda s, v, a: a.logsumexp(1),
    "max(a, axis = -1)": lambda s, v, a: a.amax(-1),
    "v[g]": lambda s, v, a: v[:, DATA["g"][0]],
    "v[[2, 0, 2]]": lambda s, v, a: v[:, [2, 0, 2]],
    "a[g, :]": lambda s, v, a: a[:, DATA["g"][0]],
    "a[:, g]": lambda s, v, a: a[:, :, DATA["g"][0]],
    "a[0:2, g]": lambda s, v, a: a[:, :2, DATA["g"][0]],
    "a[0, g]": lambda s, v, a: a[:, 0, DATA["g"][0]],
    "a[g, 1]": lambda s, v, a: a[:, DATA["g"][0], 1],
    "a[g, h % 3]".replace(" % 3", "[[1, 2, 3, 4, 1]]"): lambda s, v, a: a[
        :, DATA["g"][0], DATA["h"][0, [1, 2, 3, 4, 1]]
    ],
    "m[h] @ v": lambda s, v, a: v @ DATA["m"][0, DATA["h"][0]].T,
    "a[g[1]]": lambda s, v, a: a[:, 2],
    "[s * w for w in y]": lambda s, v, a: s[:, None] * DATA["y"],
    "[sum(m[i] * v) for i in h]": lambda s, v, a: v @ DATA["m"][0, DATA["h"][0]].T,
    "[[w * u + s for w in y] for u in v]": lambda s, v, a: (
        v[:, :, None] * DATA["y"][:, None] + s[:, None, None]
    ),
    "sum(row @ v * s for row in m)": lambda s, v, a: (v @ DATA["m"][0].T).sum(1) * s,
    "scan(e = s: e * w + v[0] for w in y)": lambda s, v, a: _recursion(s, v),
    "scan(e = v: a @ e / 3 + w for w in y)[-1]": lambda s, v, a: _states(v, a),
    "cumsum(v) - scan(e = 0: e + w for w in v)[1:]": lambda s, v, a: 0 * v,
    "[log_prob(Normal(v, s), u) for u in y]": lambda s, v, a: torch.distributions.Normal(
        v[:, None], s[:, None, None]
    ).log_prob(DATA["y"][..., None]),
    "[log_prob(Poisson(exp(s)), i) for i in g]": lambda s, v, a: torch.distributions.Poisson(
        s.exp()[:, None]
    ).log_prob(DATA["g"].double()),
    "scan(e = s: log_prob(Normal(e, 1), w) for w in y)[1]": lambda s, v, a: (
        torch.distributions.Normal(s, 1.0).log_prob(DATA["y"][0, 0])
    ),
    "where(v > 0, sqrt(v), s)": lambda s, v, a: torch.where(
        v > 0, v.clamp(min=0).sqrt(), s[:, None]
    ),
    "(v > 0) * v": lambda s, v, a: v.clamp(min=0),
}


def _recursion(s: Tensor, v: Tensor) -> Tensor:
    values = [s]
    for w in DATA["y"][0]:
        values.append(values[-1] * w + v[:, 0])
    return torch.stack(values, 1)


def _states(v: Tensor, a: Tensor) -> Tensor:
    for w in DATA["y"][0]:
        v = (a @ v[..., None])[..., 0] / 3 + w
    return v


@pytest.mark.parametrize("expression", SAME)
def test_values_are_those_of_torch(expression: str) -> None:
    at = points()
    wanted = SAME[expression](**at)
    torch.testing.assert_close(value(expression, **at), wanted, check_dtype=False)


@pytest.mark.parametrize("expression", [e for e in SAME if e != "m.T @ m"])
def test_gradients_are_finite_differences(expression: str) -> None:
    at = points(2)

    def function(s: Tensor, v: Tensor, a: Tensor) -> Tensor:
        return value(expression, s=s, v=v, a=a)

    tensors = [x.clone().requires_grad_() for x in at.values()]
    used = [x for x in tensors if x is not None]
    assert torch.autograd.gradcheck(function, used, fast_mode=True)


def test_states_of_several_carries() -> None:
    at = points()
    pair = "scan(p = s, q = v: p / 2 + w, q * p for w in y)"
    p, q = at["s"], at["v"]
    for w in DATA["y"][0]:
        p, q = p / 2 + w, q * p[:, None]
    torch.testing.assert_close(value(f"{pair}.p[-1]", **at), p)
    torch.testing.assert_close(value(f"{pair}.q[5]", **at), q)


# Branches.


@pytest.mark.parametrize(
    "expression",
    [
        "where(y > s, log(y - s), v[0])",
        "where(v > 0, 1 / sqrt(v), 0)",
        "where(s > 1, log(s - 1), s)",
        "where(s > 1, sum(log(s - 1 + 0 * v)), s)",
        "where(y > s, where(y > 1, log(y - s), 0), sqrt(s - y))",
        "[where(w > s, log(w - s), s) for w in y]",
        "scan(e = s: where(w > s, log(w - s) + e, e) for w in y)",
        "where(v > 0, exp(1000 * v) * 0 + v, v)",
    ],
)
def test_a_branch_that_is_not_taken_has_no_gradient(expression: str) -> None:
    at = {name: x.clone().requires_grad_() for name, x in points().items()}
    at["v"] = torch.tensor([[0.5, -1.0, 0.0]] * 4, dtype=torch.float64, requires_grad=True)
    total = value(expression, **at)
    assert bool(total.isfinite().all())
    for x in torch.autograd.grad(total.sum(), list(at.values()), allow_unused=True):
        assert x is None or bool(x.isfinite().all())


# What has no value.


@pytest.mark.parametrize("function", ["cholesky", "inverse", "logdet"])
def test_a_matrix_without_a_value_concerns_its_particle_alone(function: str) -> None:
    a = torch.eye(3, dtype=torch.float64).repeat(3, 1, 1)
    a[1] = torch.tensor([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0], [0.0, 0.0, -1.0]])
    a = a.requires_grad_()
    found = value(f"{function}(a)", a=a).reshape(3, -1)
    assert found.isnan().all(1).tolist() == [False, True, False]
    (gradient,) = torch.autograd.grad(found[0::2].sum(), a)
    assert bool(gradient.isfinite().all())
    solved = value("solve(a, v)", a=a, v=torch.ones(3, 3, dtype=torch.float64))
    assert solved.isnan().all(1).tolist() == [False, True, False]


@pytest.mark.statistical
def test_a_particle_with_a_matrix_without_a_value_has_no_weight() -> None:
    """The density x N(x; 0, 1) on x > 0, of mean sqrt(pi / 2) and mass 1 / sqrt(2 pi)."""
    plan = poedsl.compile("x ~ Normal(0, 1) * exp(logdet([[x, 0], [0, 1]]))\n")
    result = plan.run(seed=1, particles=2000)
    x, weights = result.particles["x"], result.log_weights.exp()
    assert float(weights @ x.to(weights)) == pytest.approx(math.sqrt(math.pi / 2), abs=0.06)
    assert result.log_evidence == pytest.approx(-0.5 * math.log(2 * math.pi), abs=0.1)


# Indices.


@pytest.mark.parametrize(
    "expression, index, row, term, length, ends",
    [
        ("v[g + 1]", 3, 1, "g + 1", 3, (1, 3)),
        ("v[h]", 3, 0, "h", 3, (0, 3)),
        ("v[h - 1]", -1, 1, "h - 1", 3, (-1, 2)),
        ("[v[i] for i in h]", 3, 0, "i", 3, (0, 3)),
        ("[v[h[i]] * s for i in range(100)]", 5, 5, "i", 5, (0, 99)),
        ("scan(e = s: e + v[i] for i in h)", 3, 0, "i", 3, (0, 3)),
    ],
)
def test_an_index_outside_is_named(
    expression: str, index: int, row: int, term: str, length: int, ends: tuple[int, int]
) -> None:
    with refused("P0305") as errors:
        value(expression, **points())
    (found,) = errors
    before, after = found.message.split(f"`{term}`")
    assert numbers(before) == [index, row] and numbers(after) == [0, length - 1]
    assert tuple(numbers(found.notes[0])[:2]) == ends


def test_indices_that_begin_at_one_are_told_apart() -> None:
    with refused("P0305") as errors:
        value("v[g + 1]", **points())
    assert quoted(errors[0]) == {"g + 1", "g + 1 - 1"}


def test_each_particle_has_its_own_index() -> None:
    at = points()
    z = torch.tensor([0, 2, 3, 1])
    found = value("v[z] * s", z=z, **at)
    assert found.isnan().tolist() == [False, False, True, False]
    wanted = at["v"][[0, 1, 3], [0, 2, 1]] * at["s"][[0, 1, 3]]
    torch.testing.assert_close(found[[0, 1, 3]], wanted)


def test_many_elements_are_one_operation() -> None:
    """Ten thousand elements, each with an index into the data."""
    n = 10_000
    y = torch.randn(1, n, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    g = torch.arange(n)[None] % 3
    made = planned(
        f"input y : Real[{n}]\ninput g : Int[{n}]\nv : Real[3]\nv ~ Normal(0, 1)\n"
        f"v ~ exp(-sum([(y[i] - v[g[i]])^2 for i in range({n})]))\n"
    )
    v = points()["v"]
    env = Environment({"y": y, "g": g, "v": v}, {}, torch.device("cpu"), torch.float64)
    found = evaluate(made.factors[-1].term, env)
    torch.testing.assert_close(found, -(y - v[:, g[0]]).square().sum(1))


# Models.


@pytest.mark.slow
@pytest.mark.statistical
def test_groups_that_come_with_data() -> None:
    """Conjugate Gaussians, one for each group: the likelihood is of rows, the prior of groups."""
    plan = poedsl.compile(
        "input group : Int[_]\ninput y : Real[_]\na : Real[3]\na ~ Normal(1, 2)\n"
        "a ~ exp(-0.5 * sum((y - a[group])^2))\n"
    )
    result = plan.bind(group=[0, 0, 1, 0], y=[1.0, 2.0, -1.0, 3.0]).run(seed=1, particles=2000)
    weights = result.log_weights.exp()
    mean = weights @ result.particles["a"].to(weights)
    assert mean.tolist() == pytest.approx([6.25 / 3.25, -0.75 / 1.25, 1.0], abs=0.12)
    with refused("P0305") as errors:
        plan.bind(group=[1, 1, 2, 3], y=[1.0, 2.0, -1.0, 3.0]).run(seed=1, particles=20)
    assert numbers(errors[0].message) == [3, 3, 0, 2]
    assert quoted(errors[0]) == {"group", "group - 1"}


def test_the_part_of_a_statement_is_constant() -> None:
    with pytest.raises(PoeError) as error:
        poedsl.compile("input k : Int\nx : Real[2]\nx ~ Normal(0, 1)\nx[k] ~ Normal(0, 1)\n")
    assert [d.code for d in error.value.diagnostics] == ["P0305"]


def test_the_forward_algorithm_of_a_hidden_markov_model() -> None:
    """The sum over paths, by `scan` and by enumeration."""
    steps = 5
    text = (
        f"input e : Real[{steps}, 2]\nx ~ Normal(0, 1)\n"
        "let t = log([[0.8, 0.2], [0.3, 0.7]])\n"
        "let f = scan(w = log([0.6, 0.4]) + e[0] * x: "
        "logsumexp(w + t.T, axis = 1) + row * x for row in e[1:])\n"
        "x ~ exp(logsumexp(f[-1]))\n"
    )
    e = torch.randn(1, steps, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    x = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    env = Environment({"e": e, "x": x}, {}, torch.device("cpu"), torch.float64)
    found = evaluate(planned(text).factors[-1].term, env)
    start, move = [0.6, 0.4], [[0.8, 0.2], [0.3, 0.7]]
    total = torch.zeros(3, dtype=torch.float64)
    for path in range(2**steps):
        states = [path >> k & 1 for k in range(steps)]
        share = start[states[0]]
        for i, j in pairwise(states):
            share *= move[i][j]
        emitted = torch.stack([e[0, k, state] for k, state in enumerate(states)]).sum()
        total += share * (emitted * x).exp()
    torch.testing.assert_close(found, total.log())
