"""Sequences grow by what their experts propose: against enumeration of all of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import pairwise, product
from pathlib import Path

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.sampler_options import SamplerOptions
from poedsl.runtime.core.warnings import WarningLog
from poedsl.runtime.feynman_kac import prefixes as prefix_model
from poedsl.runtime.kernels import gibbs
from poedsl.runtime.smc.anneal import anneal
from poedsl.runtime.smc.health import HealthCheck
from poedsl.runtime.smc.records import Outcome
from poedsl.runtime.smc.resampler import Resampler
from poedsl.runtime.smc.resampling_schemes import SCHEMES
from tests.diagnostics import refused, warning_data

ONE = "Markov([0.5, 0.3, 0.2], [[0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.8, 0.1, 0.1]])"
TWO = "Markov([0.2, 0.3, 0.5], [[0.3, 0.3, 0.4], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6]])"
REWARD = "exp(-0.5 * (sum(y == 1) - 3)^2)"
CHAINS = f"y : Tokens[5]\ny ~ {ONE} * {TWO} ^ 0.5"


def enumerated(plan: poedsl.Plan, length: int, symbols: int) -> tuple[Tensor, Tensor]:
    """All sequences, and the log of the target at each."""
    every = torch.tensor(list(product(range(symbols), repeat=length)))
    target = prepare(plan.spec, RunSettings()).target
    values, powers = target.log_values(every), target.factor_exponents
    return every, torch.stack([powers[n] * v.double() for n, v in values.items()]).sum(0)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("reward_factor", ["", f" * {REWARD}", " * where(sum(y == 2) == 1)"])
@pytest.mark.parametrize("kernel", ["none", "gibbs(steps = 2)", "gibbs(steps = 1, block = 3)"])
def test_marginals_and_evidence(kernel: str, reward_factor: str) -> None:
    plan = poedsl.compile(CHAINS + reward_factor)
    every, logs = enumerated(plan, 5, 3)
    chances = logs.softmax(0)
    seeds = 8
    runs = [plan.run(seed=s, particles=2000, kernel=kernel, islands=4) for s in range(seeds)]
    symbols = torch.arange(3)[:, None]
    exact = (chances[:, None, None] * (every[:, None] == symbols)).sum(0)
    found = torch.stack(
        [
            (r.log_weights.exp()[:, None, None] * (r.particles["y"][:, None] == symbols)).sum(0)
            for r in runs
        ]
    )
    error = found.var(0).mean().sqrt() / math.sqrt(seeds)
    assert ((found.mean(0) - exact).abs() < 4 * error).all()
    truth = float(logs.logsumexp(0))
    for r in runs:
        assert r.log_evidence is not None and r.log_evidence_se is not None
    ratios = torch.tensor([r.log_evidence - truth for r in runs]).exp()  # type: ignore[operator]
    assert abs(float(ratios.mean()) - 1) < 4 * float(ratios.std()) / math.sqrt(seeds) + 1e-4


@pytest.mark.statistical
def test_one_expert_alone_is_drawn_exactly() -> None:
    result = poedsl.compile(f"y : Tokens[4]\ny ~ {ONE}").run(seed=0, particles=20_000)
    assert result.log_evidence == pytest.approx(0, abs=1e-6)
    assert result.ess == pytest.approx(20_000)
    first = torch.bincount(result.particles["y"][:, 0], minlength=3) / 20_000
    assert torch.allclose(first, torch.tensor([0.5, 0.3, 0.2]), atol=0.015)


@pytest.mark.statistical
def test_sections_of_several_symbols_give_the_same_evidence() -> None:
    plan = poedsl.compile(CHAINS)
    truth = float(enumerated(plan, 5, 3)[1].logsumexp(0))
    result = plan.run(seed=1, particles=20_000, steps=2)
    assert [s.t for s in result.stages] == [3, 2, 1]
    assert result.log_evidence == pytest.approx(truth, abs=0.02)


@pytest.mark.statistical
def test_a_category_is_one_symbol() -> None:
    plan = poedsl.compile(
        "z : Category[3]\nz ~ Categorical([0.2, 0.3, 0.5]) * exp(2 * sum(z == 1))"
    )
    result = plan.run(seed=0, particles=20_000)
    assert result.particles["z"].shape == (20_000,)
    assert result.log_evidence == pytest.approx(math.log(0.7 + 0.3 * math.e**2), abs=0.03)
    share = float((result.log_weights.exp() * (result.particles["z"] == 1)).sum())
    assert share == pytest.approx(0.3 * math.e**2 / (0.7 + 0.3 * math.e**2), abs=0.02)


@pytest.mark.statistical
def test_experts_of_parts_and_several_variables() -> None:
    text = """
y : Tokens[4]
z : Category[2]
y[0:2] ~ Categorical([0.2, 0.3, 0.5])
y[2:4] ~ Categorical([[0.1, 0.1, 0.8], [0.6, 0.2, 0.2]])
z ~ Categorical([0.5, 0.5])
z ~ exp(sum(z == 1) * sum(y[0] == y[3]))
"""
    result = poedsl.compile(text).run(seed=0, particles=20_000)
    same = 0.2 * 0.6 + 0.3 * 0.2 + 0.5 * 0.2
    truth = math.log(1 - same + same * (0.5 + 0.5 * math.e))
    assert result.log_evidence == pytest.approx(truth, abs=0.02)


def test_conditions_that_nothing_meets_end_the_run_with_an_outcome() -> None:
    result = poedsl.compile(f"{CHAINS} * where(sum(y == 1) > 9)").run(seed=0, particles=50)
    assert result.outcome is Outcome.NO_WEIGHT
    assert result.log_evidence is None


EVEN = "Markov([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]])"
FIRST = "Markov([1, 0], [[0.5, 0.5], [0.5, 0.5]])"


def test_factors_with_exponent_zero_have_no_effect() -> None:
    text = f"input w : Real\ny : Tokens[2]\ny ~ {EVEN} * Markov([1, 0], [[0, 1], [1, 0]])"
    for plan in (poedsl.compile(f"{text}^w").bind(w=0.0), poedsl.compile(f"{text}^0").bind(w=1.0)):
        result = plan.run(seed=0, particles=1000)
        assert result.log_evidence == pytest.approx(0, abs=1e-6)
        assert len(result.particles["y"].unique(dim=0)) == 4
        assert result.log_product is not None
        assert torch.allclose(result.log_product(torch.eye(2)), torch.tensor(0.25).log())


def test_division_by_zero_is_named_and_has_no_evidence() -> None:
    for text in (f"{EVEN} / {FIRST}", f"{FIRST}^-1 * {EVEN}"):
        result = poedsl.compile(f"y : Tokens[2]\ny ~ {text}").run(seed=0, particles=100)
        assert result.log_evidence is None
        (zero,) = warning_data(result, "P1008")
        assert zero["factor"].startswith("Markov") and warning_data(result, "P1107") == [zero]
        assert bool((result.particles["y"][:, 0] == 0).all())


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        (f"{FIRST} / {FIRST}", 2),
        (f'Automaton("[ab]*", "ab") / {FIRST} * where(not matches(y, "^b"))', 1),
    ],
)
def test_division_by_zero_where_all_else_is_zero(text: str, truth: float) -> None:
    result = poedsl.compile(f"y : Tokens[2]\ny ~ {text}").run(seed=0, particles=100)
    assert result.log_evidence == pytest.approx(math.log(truth), abs=1e-6)
    assert not any(w.code == "P1008" for w in result.warnings)


@pytest.mark.statistical
@pytest.mark.parametrize("own", ["", " * where(y[0] == 1)"])
def test_one_symbol(own: str) -> None:
    program = f'y : Tokens[1]\ny ~ Automaton("a|b", "ab") * {EVEN}{own}'
    result = poedsl.compile(program).run(seed=0, particles=1000)
    truth = 0.25 if own else 0.5
    assert result.log_evidence == pytest.approx(math.log(truth), abs=0.15)
    region = poedsl.compile(f'y : Tokens[3]\ny ~ {EVEN}\ny[0:1] ~ Automaton("a", "ab")')
    result = region.run(seed=0, particles=100)
    assert result.log_evidence == pytest.approx(math.log(0.5), abs=1e-6)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("y : Tokens[3]\ny ~ Categorical([[0.5, 0.5], [0.2, 0.8]])", "P0307"),
        ("y : Tokens[3]\ny ~ Categorical([[0.5, 0.5], [0.5, 0.5]])", "P0307"),
        ("y : Tokens[3]\ny ~ Markov([0.5, 0.5], [[1, 0]])", "P0307"),
        ('y : Tokens[3]\ny ~ Automaton("ab", "ab")', "P0307"),
        ("y : Tokens[3]\ny[0:2] ~ Categorical([0.5, 0.5])", "P0408"),
        (f"y : Tokens[3]\ny ~ {ONE} * Categorical([0.5, 0.5])", "P0304"),
        ("z : Category[4]\nz ~ Categorical([0.5, 0.5])", "P0304"),
    ],
)
def test_what_does_not_fit_is_reported(text: str, code: str) -> None:
    with refused(code) as errors:
        poedsl.compile(text).run(particles=4)
    (found,) = errors
    if code == "P0307":
        assert found.notes[0].startswith("the factor `") and found.notes[0].endswith("<string>:2:5")


def test_an_expert_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        """
import poedsl, torch

@poedsl.expert
class Stutter:
    "Repeats the last symbol with some probability."

    def __init__(self, often: float = 0.6):
        self.often = often

    def extend(self, prefix: poedsl.Tokens):
        logs = torch.full((len(prefix), 3), 1 / 3)
        if prefix.shape[1]:
            logs = torch.full((len(prefix), 3), (1 - self.often) / 2)
            logs.scatter_(1, prefix[:, -1:], self.often)
        return logs.log()
"""
    )
    (tmp_path / "own.poe").write_text(
        f'use stutter from "own.py:Stutter"\ny : Tokens[4]\ny ~ stutter(0.8) * {ONE}\n'
    )
    plan = poedsl.compile(tmp_path / "own.poe", allow_code=True)
    same = "[[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]]"
    table = poedsl.compile(f"y : Tokens[4]\ny ~ Markov([1/3, 1/3, 1/3], {same}) * {ONE}")
    own, other = plan.run(seed=3, particles=500), table.run(seed=3, particles=500)
    assert torch.equal(own.particles["y"], other.particles["y"])
    assert own.log_evidence == pytest.approx(other.log_evidence, abs=1e-5)


class Choices:
    """Runs a program once for every way that its random choices can fall.

    A choice is made from a finite list of chances; `runs` yields the product of the chances taken.
    """

    def __init__(self) -> None:
        self.taken: list[list[int]] = []
        self.place = 0
        self.chance = 1.0

    def pick(self, chances: list[float]) -> int:
        open_ = [i for i, c in enumerate(chances) if c > 1e-15]
        if self.place == len(self.taken):
            self.taken.append([0, len(open_)])
        chosen = open_[self.taken[self.place][0]]
        self.place += 1
        self.chance *= chances[chosen]
        return chosen

    def runs(self, run: Callable[[], float]) -> Iterator[tuple[float, float]]:
        while True:
            self.place, self.chance = 0, 1.0
            value = run()
            yield self.chance, value
            while self.taken and self.taken[-1][0] + 1 == self.taken[-1][1]:
                self.taken.pop()
            if not self.taken:
                return
            self.taken[-1][0] += 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("particles", "length", "steps", "resample", "kernel"),
    [
        (2, 3, 3, "systematic(when = ess < 0.9)", "none"),
        (2, 3, 2, "systematic(when = always)", "none"),
        (2, 2, 1, "systematic(when = always)", "gibbs(steps = 1)"),
        (3, 2, 2, "systematic(when = ess < 0.95)", "none"),
    ],
)
def test_the_mean_of_the_evidence_is_exact(
    monkeypatch: pytest.MonkeyPatch,
    particles: int,
    length: int,
    steps: int,
    resample: str,
    kernel: str,
) -> None:
    """E[Z-hat] = Z, over every way that the draws of symbols, resampling and kernels can fall."""
    plan = poedsl.compile(
        f"y : Tokens[{length}]\ny ~ Markov([0.6, 0.4], [[0.1, 0.9], [0.7, 0.3]]) "
        "* Markov([0.3, 0.7], [[0.6, 0.4], [0.2, 0.8]]) ^ 2 * exp(1.5 * sum(y == 1))"
    ).with_options(particles=particles, steps=steps, resample=resample, kernel=kernel)
    choices = Choices()

    def draw(following: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        normaliser = following.double().logsumexp(-1)
        rows = (following.double() - normaliser[:, None]).exp().tolist()
        return torch.tensor([choices.pick(row) for row in rows]), normaliser

    def systematic(log_weights: Tensor, uniforms: Tensor) -> Tensor:
        """The uniform falls between the values at which what is chosen changes."""
        scaled = (log_weights[0].softmax(0).cumsum(0) * particles).tolist()
        cuts = [0.0, *sorted({s % 1 for s in scaled[:-1]}), 1.0]
        at = choices.pick([b - a for a, b in pairwise(cuts)])
        uniform = (cuts[at] + cuts[at + 1]) / 2
        chosen = [sum(s <= uniform + k for s in scaled[:-1]) for k in range(particles)]
        return torch.tensor([chosen])

    def accept(chance: Tensor, uniform: Tensor) -> Tensor:
        return torch.tensor([choices.pick([1 - c, c]) == 1 for c in chance.tolist()])

    class Places(Noise):
        def shared(self, stage: int, purpose: str, count: int = 1) -> Tensor:
            if purpose != "block":
                return super().shared(stage, purpose, count)
            size = length + 1 - stage
            rows = [(choices.pick([1 / size] * size) + 0.5) / size for _ in range(count)]
            return torch.tensor([rows])

    monkeypatch.setattr(prefix_model, "drawn", draw)
    monkeypatch.setattr(gibbs, "drawn", draw)
    monkeypatch.setattr(gibbs, "accepted", accept)
    monkeypatch.setitem(SCHEMES, "systematic", systematic)
    model = prepare(plan.spec, RunSettings())
    options = SamplerOptions.of(plan.spec)
    resampler = Resampler(options.scheme, options.resample)

    def evidence() -> float:
        noise = Places(0, 1, particles, torch.device("cpu"))
        health = HealthCheck(model.target, WarningLog())
        *_, last = anneal(model, resampler, noise, health)
        return math.exp(last.population.log_evidence)

    outcomes = list(choices.runs(evidence))
    truth = float(enumerated(plan, length, 2)[1].logsumexp(0).exp())
    assert sum(c for c, _ in outcomes) == pytest.approx(1)
    assert sum(c * z for c, z in outcomes) == pytest.approx(truth, rel=1e-6)
    assert len({round(z, 6) for _, z in outcomes}) > 3
