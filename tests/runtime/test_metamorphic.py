"""Programs that say the same in two ways, and runs that must agree on it.

Where both runs do the same arithmetic they agree to the bit or to rounding; elsewhere log Z and the
weighted moments differ by at most `SIGMAS` times the standard errors of both, by the jackknife over
islands. The factors have densities, so that no run is biased in its evidence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from torch import Tensor

import poedsl
from poedsl.runtime.build.laplace_base import SEARCH
from poedsl.runtime.core import random_numbers

pytestmark = pytest.mark.statistical

#: Islands, and particles of each.
ISLANDS, SIZE = 8, 16
SIGMAS = 4
#: What single precision leaves of equal arithmetic in units of a moment's spread.
ROUNDING = 1e-3

#: Without shrinking, which would run hundreds of programs for one that fails.
few = settings(max_examples=2, deadline=None, phases=[Phase.explicit, Phase.generate])
places = st.floats(-2, 2).map(lambda v: round(v, 2))
scales = st.floats(0.5, 2).map(lambda v: round(v, 2))
powers = st.floats(0.4, 1.2).map(lambda v: round(v, 2))
#: Families of densities, on the flow and on the tempering path.
families = st.sampled_from(["Normal({m}, {s})", "StudentT(4, {m}, {s})", "Laplace({m}, {s})"])


def run(program: str, **options: Any) -> poedsl.Result:
    """A small run in islands."""
    chosen = {"particles": ISLANDS * SIZE, "islands": ISLANDS, "steps": 4, **options}
    return poedsl.compile(program).run(seed=1, **chosen)


def flat(result: poedsl.Result) -> Tensor:
    """All variables side by side, (L, D)."""
    count = len(result.log_weights)
    return torch.cat([x.reshape(count, -1).double() for x in result.particles.values()], 1)


def moments(x: Tensor, log_weights: Tensor) -> Tensor:
    """Weighted means and standard deviations."""
    weights = log_weights.double().softmax(0)
    mean = weights @ x
    return torch.cat([mean, (weights @ (x - mean).square()).sqrt()])


def errors(result: poedsl.Result, x: Tensor) -> Tensor:
    """Standard errors of `moments`: the jackknife over islands."""
    island = torch.arange(len(x)) // (len(x) // ISLANDS)
    others = torch.stack(
        [moments(x[island != s], result.log_weights[island != s]) for s in range(ISLANDS)]
    )
    return (others.var(0, correction=0) * (ISLANDS - 1)).sqrt()


def agree(
    one: poedsl.Result,
    other: poedsl.Result,
    shift: float = 0.0,
    read: Callable[[Tensor], Tensor] = lambda x: x,
) -> None:
    """Log Z of the other run is higher by ``shift``, and its points, through ``read``, have the
    moments of the first.
    """
    assert one.log_evidence is not None and one.log_evidence_se is not None
    assert other.log_evidence is not None and other.log_evidence_se is not None
    error = math.hypot(one.log_evidence_se, other.log_evidence_se)
    assert abs(other.log_evidence - one.log_evidence - shift) <= SIGMAS * error + ROUNDING
    x, y = flat(one), read(flat(other))
    bound = SIGMAS * torch.hypot(errors(one, x), errors(other, y)) + ROUNDING
    difference = moments(x, one.log_weights) - moments(y, other.log_weights)
    assert bool((difference.abs() <= bound).all()), (difference, bound)


@pytest.mark.slow
@few
@given(family=families, m=places, s=scales, w=powers, a=st.sampled_from([0.25, 3.0]), b=places)
def test_affine_maps(family: str, m: float, s: float, w: float, a: float, b: float) -> None:
    """x -> a x + b gives each density a factor 1 / a, to its exponent."""
    first, second = family.format(m=m, s=s), f"Normal({-m}, 1)"
    program = f"x ~ {first}^{w} * {second} * exp(-abs(x))"
    moved = family.format(m=a * m + b, s=a * s), f"Normal({b - a * m}, {a})"
    mapped = f"x ~ {moved[0]}^{w} * {moved[1]} * exp(-abs((x - {b}) / {a}))"
    shift = (1 - w - 1) * math.log(a)
    agree(run(program), run(mapped), shift, lambda x: (x - b) / a)


@pytest.mark.slow
@few
@given(m=places, s=scales, a=st.sampled_from([0.25, 3.0]), b=places)
def test_affine_maps_of_gaussians(m: float, s: float, a: float, b: float) -> None:
    """Gaussians are centred and scaled for the path, so that the particles are mapped too."""
    one = run(f"x ~ Normal({m}, {s}) * Normal({-m}, 1)")
    other = run(f"x ~ Normal({a * m + b}, {a * s}) * Normal({b - a * m}, {a})")
    torch.testing.assert_close((flat(other) - b) / a, flat(one), atol=ROUNDING, rtol=ROUNDING)
    assert other.log_evidence == pytest.approx(one.log_evidence - math.log(a), abs=ROUNDING)


@pytest.mark.slow
@few
@given(family=families, m=places, s=scales, a=powers, b=powers)
def test_powers_add(family: str, m: float, s: float, a: float, b: float) -> None:
    p = family.format(m=m, s=s)
    agree(run(f"x ~ {p}^{a} * {p}^{b}"), run(f"x ~ {p}^{a + b}"))


@pytest.mark.slow
@few
@given(one=families, other=families, m=places, s=scales)
def test_a_quotient_undoes_a_product(one: str, other: str, m: float, s: float) -> None:
    """And the evidence of a density by itself is one."""
    p, q = one.format(m=m, s=s), other.format(m=0.3, s=2)
    alone, quotient = run(f"x ~ {p}"), run(f"x ~ {p} * {q} / {q}")
    agree(alone, quotient)
    for result in (alone, quotient):
        assert abs(result.log_evidence) <= SIGMAS * result.log_evidence_se + ROUNDING


CHAIN = "Markov([0.5, 0.3, 0.2], [[0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.8, 0.1, 0.1]])"
FLAT = "Markov([0.2, 0.3, 0.5], [[0.3, 0.3, 0.4], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (f"{CHAIN}^0.7 * {CHAIN}^0.6", f"{CHAIN}^1.3"),
        (f"{CHAIN} * {FLAT} / {FLAT}", CHAIN),
        (f"{CHAIN} * {FLAT}^0.5", f"{FLAT}^0.5 * {CHAIN}"),
    ],
)
def test_sequences(one: str, other: str) -> None:
    reward = " * exp(-0.5 * (sum(x == 1) - 2)^2)"
    agree(run(f"x : Tokens[5]\nx ~ {one}{reward}"), run(f"x : Tokens[5]\nx ~ {other}{reward}"))


@pytest.mark.slow
@few
@given(family=families, m=places, s=scales, order=st.permutations(range(4)))
def test_factors_in_any_order(family: str, m: float, s: float, order: list[int]) -> None:
    """Where two factors change places the sums are the same, to the bit."""
    p, q = family.format(m=m, s=s), "Normal(0.5, 1.5)"
    factors = [p, q, f"Normal({m}, 3)^0.5", "exp(-abs(x - 1))"]
    permuted = [factors[i] for i in order]
    agree(run("x ~ " + " * ".join(factors)), run("x ~ " + " * ".join(permuted)))
    one, other = run(f"x ~ {p} * {q}"), run(f"x ~ {q} * {p}")
    assert torch.equal(one.particles["x"], other.particles["x"])
    assert torch.equal(one.log_weights, other.log_weights)
    assert one.log_evidence == other.log_evidence


@pytest.mark.slow
@few
@given(family=families, s=scales, order=st.permutations(range(3)))
def test_components_in_any_order(family: str, s: float, order: list[int]) -> None:
    means, spreads = [-1.0, 0.0, 1.5], [1.0, s, 2.0]
    inner = [order.index(i) for i in range(3)]

    def program(at: list[int]) -> str:
        m, w = [means[i] for i in at], [spreads[i] for i in at]
        first = at.index(0)
        chosen = f"{family.format(m=m, s=w)} * Normal(0, 2) * exp(-abs(x[{first}] - sum(x)))"
        return f"x : Real[3]\nx ~ {chosen}"

    agree(run(program([0, 1, 2])), run(program(order)), read=lambda x: x[:, inner])


@pytest.mark.slow
@few
@given(family=families, m=places, s=scales)
def test_one_vector_or_several_variables(family: str, m: float, s: float) -> None:
    """Variables stand side by side as components do, with the same noise. On the tempering path
    they may start elsewhere, each drawn from its density.
    """
    vector = f"x : Real[2]\nx ~ {family.format(m=[m, 1], s=[s, 1])} * exp(-abs(x[0] - x[1]))"
    split = f"x ~ {family.format(m=m, s=s)}\ny ~ {family.format(m=1, s=1)} * exp(-abs(x - y))"
    one, other = run(vector), run(split)
    agree(one, other)
    if family.startswith("Normal"):
        torch.testing.assert_close(flat(one), flat(other), atol=ROUNDING, rtol=ROUNDING)


@pytest.mark.slow
@few
@given(c=st.floats(-20, 20), family=families)
def test_a_constant_in_a_reward(c: float, family: str) -> None:
    """It shifts log Z. On the flow a reward is damped by what is known of the endpoint, with its
    constant, so that particles differ; on the tempering path they are the same.
    """
    p = family.format(m=1, s=1)
    one, other = run(f"x ~ {p} * exp(-abs(x))"), run(f"x ~ {p} * exp({c} - abs(x))")
    agree(one, other, c)
    if not p.startswith("Normal"):
        torch.testing.assert_close(flat(one), flat(other), atol=ROUNDING, rtol=ROUNDING)


PROGRAMS = [
    "x ~ Normal(0, 1) * Normal(2, 1) * exp(-abs(x))",
    "x ~ StudentT(4, 0, 1) * exp(-abs(x - 1))",
    f"x : Tokens[5]\nx ~ {CHAIN} * {FLAT}",
]


def islands(result: poedsl.Result, count: int) -> tuple[Tensor, Tensor]:
    """Log evidence and particles of each island."""
    levels = result.log_weights.view(count, -1).logsumexp(1) + math.log(count)
    assert result.log_evidence is not None
    return levels + result.log_evidence, flat(result).view(count, -1)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_islands_by_another_number(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of an island keys its noise and does nothing else: with the keys permuted, the
    islands are those of before in another order.
    """
    evidence, x = islands(run(program), ISLANDS)
    key, order = random_numbers._key, [3, 0, 7, 1, 6, 2, 5, 4]

    def permuted_key(seed: int, island: int) -> int:
        return key(seed, order[island] if seed != SEARCH else island)

    monkeypatch.setattr(random_numbers, "_key", permuted_key)
    permuted, y = islands(run(program), ISLANDS)
    assert torch.equal(y, x[order])
    torch.testing.assert_close(permuted, evidence[order], atol=1e-9, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
def test_islands_among_others(program: str) -> None:
    """Nor does it matter how many others there are, where they do not place the stages."""
    fixed = {"path": "temper(ess = none)", "kernel": "mala()"} if "exp" in program else {}
    evidence, x = islands(run(program, **fixed), ISLANDS)
    fewer, y = islands(run(program, **fixed, particles=3 * SIZE, islands=3), 3)
    assert torch.equal(y, x[:3])
    torch.testing.assert_close(fewer, evidence[:3], atol=1e-9, rtol=0)
