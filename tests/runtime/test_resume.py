"""A run that goes on from the state after any of its stages ends as one that was never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import BUILT_IN, DEFAULT, Profile
from poedsl.runtime.core.state import packed, unpacked
from poedsl.runtime.run import Run
from tests.experts.tiny_words import causal
from tests.runtime.helpers import substitute
from tests.runtime.resuming import finished, prepared, same, same_bits, states
from tests.runtime.test_faults import Failing

ROOT = Path(__file__).parents[2]
PROGRAM = "x : Real[2]\nx ~ Normal([0, 1], 1) * mixture(Normal(1, [0.5, 2]), Normal(-1, 1))"
REWARDED = "x : Real[2]\nx ~ Normal([0, 1], 1) * exp(-abs(x[0] - 1) + floor(x[1]))"
TEXT = (
    "y : Tokens[4]\ny ~ Markov([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]]) * Categorical([0.3, 0.7])^0.5"
)
GROWN = "x : Real[4, 2]\nx ~ Growing() * exp(-sum((x - 0.5)^2))"
FIXED = "temper(ess = none, base = Normal(0, 2))"
WIDE = "temper(base = Normal(0, 2))"
UNBIASED = "temper(ess = 0.3, unbiased = true, base = Normal(0, 2))"
#: Its kernels take turns in centred and non-centred coordinates.
HIERARCHY = (
    "tau ~ HalfNormal(5)\nmu ~ Normal(0, 5)\ntheta : Real[8]\ntheta ~ Normal(mu, tau)\n"
    "theta ~ Normal([28, 8, -3, 7, -1, 1, 18, 12], [15, 10, 16, 11, 9, 11, 10, 18])"
)
PLANS = {
    "moves": (PROGRAM, {"kernel": "langevin(steps = 2)", "move": "sde()", "correct": "fkc()"}),
    "adjusted moves": (PROGRAM, {"kernel": "mala(steps = 2)", "correct": "ais()"}),
    "control": (PROGRAM, {"move": "sde(control = true)", "correct": "fkc()"}),
    "islands": (PROGRAM, {"islands": 4, "kernel": "hmc(steps = 2)", "resample": "multinomial()"}),
    "tempered": (PROGRAM, {"path": "temper(ess = 0.7)"}),
    "fixed powers": (PROGRAM, {"path": FIXED, "kernel": "barker(steps = 2)"}),
    "unbiased": (PROGRAM, {"path": UNBIASED, "islands": 2}),
    "rewards": (REWARDED, {"potential": "maximum()", "kernel": "none"}),
    "weighed rewards": (REWARDED, {"path": WIDE, "kernel": "random_walk(steps = 2)"}),
    "prefixes": (TEXT + " * where(y[0] + y[3] < 2)", {"kernel": "gibbs(block = 2)"}),
    "no weight": (TEXT + " * where(y[0] + y[3] > 2)", {}),
    "sections": (GROWN, {"kernel": "mala(steps = 2)", "resample": "systematic(when = always)"}),
    "hierarchy": (HIERARCHY, {"particles": 64}),
    "hierarchy on islands": (HIERARCHY, {"islands": 4}),
    "learned": ("x ~ checkerboard(4)^2 / checkerboard()", {"move": "sde()", "correct": "fkc()"}),
}


@poedsl.expert(domain="Real[4, 2]")
class Growing:
    """An autoregressive process."""

    def extend(self, prefix: Tensor, noise: Tensor) -> Tensor:
        return 0.8 * prefix[:, -1] + 0.5 * noise if prefix.shape[1] else 0.5 * noise

    def log_prob(self, prefix: Tensor) -> Tensor:
        before = torch.cat([torch.zeros_like(prefix[:, :1]), prefix[:, :-1]], 1)
        return torch.distributions.Normal(0.8 * before, 0.5).log_prob(prefix).sum((1, 2))


def plan(name: str) -> poedsl.Plan:
    program, options = PLANS[name]
    return poedsl.compile(program).with_options(**{"particles": 16, "steps": 3, **options})


def resumed_from_every_stage(plan: poedsl.Plan, profile: Profile = DEFAULT) -> None:
    saved, found = states(plan, profile)
    assert len(saved) >= len(found[0]["stages"])
    for state in saved:
        job = prepared(plan, profile=profile)
        job.restore(state)
        assert same(finished(job), found)


@pytest.mark.parametrize("name", PLANS)
def test_from_every_stage(name: str) -> None:
    resumed_from_every_stage(plan(name))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["digits", "playroom/layout"])
def test_pictures_from_every_stage(name: str) -> None:
    options = {"particles": 2, "steps": 2, "resample": "systematic(when = always)"}
    program = poedsl.compile(ROOT / "programs" / f"{name}.poe").with_options(**options)
    resumed_from_every_stage(program, BUILT_IN["small"])


def test_a_language_model_from_every_stage(tmp_path: Path) -> None:
    causal(tmp_path / "words", end="<end>", layers=1, width=8)
    words = tmp_path / "words"
    text = f'y : Tokens[3]\ny ~ lm("{words}", "ab")^2 * where(length(y) < 3)'
    resumed_from_every_stage(poedsl.compile(text).with_options(particles=8, kernel="gibbs()"))


@pytest.mark.slow
@pytest.mark.parametrize("islands", [1, 4])
def test_steps_in_two_coordinate_systems_after_a_pilot_run(islands: int) -> None:
    options = {"path": "temper(unbiased = true)", "particles": 8, "islands": islands}
    own = poedsl.compile(HIERARCHY).with_options(**options)
    assert prepared(own).model.mutation.steps.non_centred is not None
    resumed_from_every_stage(own)


def failing(job: Run) -> Run:
    """The run with an expert that is not a number in its second half."""
    first, second = job.target.experts
    limit = job.model.stages[4].alpha
    substitute(job, experts=(first, replace(second, expert=Failing(second.expert, limit))))
    return job


def test_the_last_healthy_particles_are_restored() -> None:
    own = poedsl.compile("x ~ Normal(0, 1) * Normal(0, 2)").with_options(particles=16, steps=8)
    job = failing(prepared(own))
    stages = job.stages()
    for _ in range(4):
        next(stages)
    saved = packed(job.state())
    found = finished(job)
    assert found[0]["outcome"] == "not_finite"
    again = failing(prepared(own))
    again.restore(unpacked(*saved, torch.device("cpu")))
    assert same(finished(again), found)


def test_runs_of_other_seeds_are_not_the_same() -> None:
    own = plan("moves")
    assert same(finished(prepared(own)), finished(prepared(own)))
    assert not same(finished(prepared(own)), finished(prepared(own, seed=4)))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(12.0).view(3, 4).T,
        torch.arange(12.0).view(3, 4)[:, 1:3],
        torch.arange(3.0)[:, None].expand(3, 4),
        torch.arange(4.0).expand(3, 4)[:, ::2],
        torch.zeros(3, 0),
        torch.tensor(float("nan")),
        torch.tensor([True, False]),
        torch.ones(2, 2, dtype=torch.bfloat16),
    ],
)
def test_tensors_keep_their_strides(tensor: Tensor) -> None:
    state = {"a": tensor, "b": [tensor, -float("inf"), 0.1, None, {"c": "text", "d": True}]}
    text, tensors = packed(state)
    assert len(tensors) == 1 and all(x.is_contiguous() for x in tensors.values())
    back = unpacked(text, tensors, torch.device("cpu"))
    for x in (back["a"], back["b"][0]):
        assert x.stride() == tensor.stride() and x.dtype == tensor.dtype
        assert same_bits(x, tensor)
    assert back["b"][1:] == state["b"][1:]  # type: ignore[index]
