"""Runs do not depend on the state of torch that their caller has set, and leave it as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
import torch

import poedsl

PROGRAMS = (
    "x : Real[2]\nx ~ Normal(0, 1) * StudentT(3, [1, 0], 2) * exp(-sum(x^2))",
    "x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 1)",
    "x : Tokens[5]\nx ~ Markov([0.5, 0.5], [[0.5, 0.5], [0.1, 0.9]])",
)


@contextmanager
def double_by_default() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@contextmanager
def elsewhere_by_default() -> Iterator[None]:
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


def casts() -> AbstractContextManager[None]:
    return torch.autocast("cpu", dtype=torch.bfloat16)


def state() -> tuple[object, ...]:
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
    )


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize(
    "around",
    [double_by_default, elsewhere_by_default, torch.inference_mode, torch.no_grad, casts],
)
def test_the_state_of_the_caller(
    program: str, around: Callable[[], AbstractContextManager[None]]
) -> None:
    plan = poedsl.compile(program)
    alone = plan.run(particles=16, steps=3)
    with around():
        before = state()
        within = plan.run(particles=16, steps=3)
        drawn = within.sample(3)
        assert state() == before
    for name, x in alone.particles.items():
        assert torch.equal(x, within.particles[name]) and x.dtype == within.particles[name].dtype
        assert torch.equal(alone.sample(3)[name], drawn[name])
    assert alone.log_evidence == within.log_evidence
