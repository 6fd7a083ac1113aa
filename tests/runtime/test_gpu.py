"""Runs on a GPU: against closed forms, enumeration and the same runs on the CPU.

``POE_TEST_DEVICE=cpu python -m pytest -n 0 -m gpu tests/runtime/test_gpu.py`` tries the tests
themselves where there is no GPU.
"""

from __future__ import annotations

import math
import os
from itertools import product
from pathlib import Path

import pytest
import torch
from torch.distributions import Normal

import poedsl
from poedsl.runtime.core.philox import philox
from poedsl.runtime.core.random_numbers import Stream
from tests.experts.tiny_words import causal
from tests.runtime.helpers import moments
from tests.runtime.resuming import finished, prepared, same, states

pytestmark = [pytest.mark.gpu, pytest.mark.statistical]

TRANSITIONS = ((0.1, 0.6, 0.3), (0.3, 0.3, 0.4), (0.8, 0.1, 0.1))
CHAIN = f"Markov([0.5, 0.3, 0.2], {[list(row) for row in TRANSITIONS]})"
REWARD = "exp(-0.5 * (sum(y == 1) - 3)^2)"


def wells() -> float:
    """Log evidence of two wells times N(0, 1)."""
    width = math.sqrt(1 + 0.5**2)
    return math.log(
        sum(w * math.exp(Normal(0.0, width).log_prob(torch.tensor(at))) for w, at in WELLS)
    )


def chain() -> float:
    """Log evidence of the chain with its reward, over all sequences of four symbols."""
    total = 0.0
    for first, *rest in product(range(3), repeat=4):
        p, last = (0.5, 0.3, 0.2)[first], first
        for symbol in rest:
            p, last = p * TRANSITIONS[last][symbol], symbol
        ones = [first, *rest].count(1)
        total += p * math.exp(-0.5 * (ones - 3) ** 2)
    return math.log(total)


WELLS = ((0.3, -1.5), (0.7, 2.0))
MIXTURE = "mixture(" + ", ".join(f"{w}: Normal({at}, 0.5)" for w, at in WELLS) + ")"
GAUSSIANS = float(Normal(0.0, math.sqrt(5)).log_prob(torch.tensor(1.0)))
ABOVE_ONE = 0.5 * math.erfc(1 / math.sqrt(2))

#: Program, options and log evidence.
CASES: dict[str, tuple[str, dict[str, object], float]] = {
    "tempering": ("x ~ Normal(0, 1) * Normal(1, 2)", {"path": "temper()"}, GAUSSIANS),
    "ode": (f"x ~ {MIXTURE} * Normal(0, 1)", {"move": "ode()"}, wells()),
    "sde": (f"x ~ {MIXTURE} * Normal(0, 1)", {"move": "sde()"}, wells()),
    "where": ("x ~ Normal(0, 1) * where(x > 1)", {}, math.log(ABOVE_ONE)),
    "supports": ("x ~ Gamma(2, 1) * Exponential(1)", {}, math.log(1 / 4)),
    "symbols": (f"y : Tokens[4]\ny ~ {CHAIN} * {REWARD}", {"kernel": "gibbs()"}, chain()),
}


@pytest.fixture
def device() -> torch.device:
    name = os.environ.get("POE_TEST_DEVICE", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    return torch.device(name)


def on(
    device: torch.device | str, program: str, particles: int = 4000, **options: object
) -> poedsl.Result:
    """A run of eight islands, so that the log evidence has a standard error."""
    plan = poedsl.compile(program)
    return plan.run(seed=3, device=str(device), particles=particles, islands=8, **options)


def test_random_bits_are_those_of_the_cpu(device: torch.device) -> None:
    keys = [5, 2**128 - 7]
    rows = philox(keys, (3, 1, 0), 100_003, device).cpu()
    for key, row in zip(keys, rows, strict=True):
        assert torch.equal(row, torch.from_numpy(Stream(key).bits(3, 1, 100_003)))


def placed(result: poedsl.Result, device: torch.device) -> None:
    """What a run returns is on its device."""
    tensors = [*result.particles.values(), result.log_weights, *result.log_values.values()]
    assert {t.device.type for t in tensors} == {device.type}


def agree(result: poedsl.Result, log_evidence: float, se: float = 0.0) -> None:
    """The log evidence is within four standard errors, its own and that of the other."""
    assert result.log_evidence is not None and result.log_evidence_se is not None
    off = abs(result.log_evidence - log_evidence)
    assert off <= 4 * math.hypot(result.log_evidence_se, se) + 1e-5, result.log_evidence


@pytest.mark.parametrize("name", CASES)
def test_the_evidence_is_that_of_the_closed_form_and_of_the_cpu(
    name: str, device: torch.device
) -> None:
    program, options, log_evidence = CASES[name]
    result = on(device, program, **options)
    placed(result, device)
    agree(result, log_evidence)
    other = on("cpu", program, **options)
    assert other.log_evidence is not None and other.log_evidence_se is not None
    agree(result, other.log_evidence, other.log_evidence_se)


def test_moments_of_a_product_of_gaussians(device: torch.device) -> None:
    """N(0, 1) N(1, 2^2) is N(1/5, 4/5)."""
    result = on(device, "x ~ Normal(0, 1) * Normal(1, 2)", particles=8000)
    mean, variance = (float(m) for m in moments(result))
    assert mean == pytest.approx(0.2, abs=0.05)
    assert variance == pytest.approx(0.8, abs=0.06)


def test_a_condition_holds_everywhere(device: torch.device) -> None:
    result = on(device, CASES["where"][0])
    x = result.sample(1000)["x"]
    assert x.device.type == device.type and bool((x > 1).all())
    expected = math.exp(-0.5) / math.sqrt(2 * math.pi) / ABOVE_ONE
    assert float(x.mean()) == pytest.approx(expected, abs=0.06)


def test_a_flow_that_comes_with_the_package(device: torch.device) -> None:
    """The column of the checkerboard with the number 6 is from 2 to 3."""
    result = poedsl.compile("x ~ checkerboard(6)").run(
        seed=0, device=str(device), particles=400, steps=40
    )
    placed(result, device)
    x = result.sample(400)["x"][:, 0]
    assert float(((x > 1.9) & (x < 3.1)).float().mean()) > 0.95


def test_a_flow_over_pictures_with_a_classifier(device: torch.device) -> None:
    program = "x ~ digits(3) * exp(digit_score(3))"
    result = poedsl.compile(program).run(seed=0, device=str(device), particles=8, steps=10)
    placed(result, device)
    assert result.particles["x"].shape == (8, 1, 8, 8)
    assert bool(torch.isfinite(result.particles["x"]).all())


def test_a_language_model_under_a_condition(device: torch.device, tmp_path: Path) -> None:
    folder = causal(tmp_path, "abcde", seed=1, layers=1, width=8)
    program = f'y : Tokens[4]\ny ~ lm("{folder}", "ab") * where(contains(y, "a"))'
    result, other = (on(place, program, particles=800) for place in (device, "cpu"))
    placed(result, device)
    assert all("a" in text for text in result.texts("y"))
    assert other.log_evidence is not None and other.log_evidence_se is not None
    agree(result, other.log_evidence, other.log_evidence_se)


def test_the_same_seed_gives_the_same_particles(device: torch.device) -> None:
    one, two = (on(device, CASES["sde"][0], particles=400, move="sde()") for _ in range(2))
    assert torch.equal(one.particles["x"], two.particles["x"])
    assert torch.equal(one.log_weights, two.log_weights)


@pytest.mark.parametrize("name", ["tempering", "ode", "sde"])
def test_a_run_goes_on_from_every_stage(name: str, device: torch.device) -> None:
    program, options, _ = CASES[name]
    plan = poedsl.compile(program).with_options(**{"particles": 64, "steps": 6, **options})
    saved, found = states(plan, device=str(device))
    for state in saved:
        job = prepared(plan, device=str(device))
        job.restore(state)
        assert same(finished(job), found)
