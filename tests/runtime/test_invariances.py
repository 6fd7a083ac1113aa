"""What a run must not depend on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

import poedsl
from poedsl.runtime.run import Run

PROGRAM = "x : Real[2]\nx ~ Normal([0, 1], 1) * Normal(1, [0.5, 2]) * exp(-sum(abs(x)))"


@pytest.fixture
def plan() -> poedsl.Plan:
    return poedsl.compile(PROGRAM).with_options(particles=40, steps=10)


@pytest.mark.slow
@pytest.mark.parametrize("microbatch", [1, 7, 40, 1000])
def test_micro_batches(plan: poedsl.Plan, microbatch: int) -> None:
    whole = plan.run(seed=4)
    parts = plan.run(seed=4, microbatch=microbatch)
    torch.testing.assert_close(whole.particles["x"], parts.particles["x"], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(whole.log_weights, parts.log_weights, atol=1e-4, rtol=1e-4)


def test_seeds(plan: poedsl.Plan) -> None:
    a, b, c = (plan.run(seed=s).particles["x"] for s in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_observers(plan: poedsl.Plan, capsys: pytest.CaptureFixture[str]) -> None:
    quiet = plan.run(seed=1)
    assert torch.equal(quiet.particles["x"], plan.run(seed=1, progress=True).particles["x"])
    stages = plan.stream(seed=1)
    assert isinstance(stages, Iterator)
    views = list(stages)
    assert [v.record.t for v in views] == [s.t for s in quiet.stages]
    assert torch.equal(views[-1].particles["x"], quiet.particles["x"])
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_more_particles(plan: poedsl.Plan) -> None:
    fixed = "temper(ess = none)"
    still = {"path": fixed, "resample": "none", "kernel": "mala(steps = 2, adapt = false)"}
    few = plan.run(seed=1, **still)
    many = plan.run(seed=1, **{**still, "particles": 97})
    torch.testing.assert_close(few.particles["x"], many.particles["x"][:40], atol=1e-5, rtol=1e-5)


def test_the_global_generator_is_left_alone(plan: poedsl.Plan) -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    plan.run(seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_streams_leave_the_mode_of_gradients_alone(plan: poedsl.Plan) -> None:
    plain = poedsl.compile("x ~ Normal(0, 1)").with_options(particles=8, steps=3)
    first, second = plain.stream(seed=1), plain.stream(seed=2)
    for a, b in zip(first, second, strict=True):
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
        assert not a.particles["x"].is_inference() and not b.log_weights.is_inference()
    assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert not plain.run(seed=1).particles["x"].is_inference()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "inference"),
    [
        ("x ~ digits()", True),
        ("x ~ checkerboard(1)^2 / checkerboard()", True),
        ("x ~ Normal(0, 1)", True),
        ("x ~ checkerboard() * exp(-sum(x^2))", False),
        ("x ~ StudentT(3)", False),
    ],
)
def test_networks_alone_run_in_inference_mode(program: str, inference: bool) -> None:
    """And nothing of it is left in what a caller gets."""
    plan = poedsl.compile(program).with_options(particles=4, steps=3)
    assert Run(plan.bound().spec).target.inference_mode is inference
    for view in plan.stream(seed=0):
        tensors = [view.x, view.endpoint, view.log_weights, *view.particles.values()]
        assert not any(t.is_inference() for t in tensors)
