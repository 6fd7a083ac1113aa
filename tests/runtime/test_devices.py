"""Runs do not depend on torch's default device and default type of numbers.

The check reads calls as they are made, so that no GPU is needed; what libraries do by themselves,
and code of the user's, is not looked at.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from tests.experts.pyro_models import eight_schools
from tests.experts.tiny_words import causal
from tests.factories import EveryTensorIsPlaced, caches, forget

PROGRAMS = Path(__file__).parent.parent.parent / "programs"
CHAIN = "Markov([0.5, 0.3, 0.2], [[0.1, 0.6, 0.3], [0.3, 0.3, 0.4], [0.8, 0.1, 0.1]])"
PLANE = "x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 2)"
TAILS = "x : Real[2]\nx ~ StudentT(3, 0, 1)"
INPUTS = PROGRAMS / "playroom" / "inputs"


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """An expert of sections and a reward without a slope, of the user's."""
    from poedsl.experts.user.registry import REGISTRY

    before = dict(REGISTRY.named)

    @poedsl.expert(domain="Real[6, 2]")
    class Wanders:
        def extend(self, prefix: Tensor, noise: Tensor) -> Tensor:
            last = prefix[:, -1] if prefix.shape[1] else torch.zeros_like(noise)
            return 0.8 * last + 0.5 * noise

        def log_prob(self, prefix: Tensor) -> Tensor:
            last = torch.cat([torch.zeros_like(prefix[:, :1]), prefix[:, :-1]], 1)
            return -2 * (prefix - 0.8 * last).square().sum((1, 2))

    @poedsl.reward
    def steps(x: poedsl.Real[2]) -> Tensor:
        return -x.square().sum(-1).floor()

    yield
    REGISTRY.named.clear()
    REGISTRY.named.update(before)


#: A program or its file, and options.
CASES: dict[str, tuple[str | Path, dict[str, Any]]] = {
    "mixtures": (
        "x : Real[2]\nx ~ MultivariateNormal([0, 0], [[1, 0.5], [0.5, 1]]) * "
        "mixture(0.3: Normal(0, 1), 0.7: Normal(2, 0.5)) / Normal(0, 10)",
        {},
    ),
    "islands": (f"{PLANE} * exp(-softplus(x[0]))", {"particles": 64, "islands": 8}),
    "fkc": (
        "x : Real[2]\nx ~ Normal(0, 1)^0.5 * Normal(1, 2)",
        {"move": "sde(control = true)", "correct": "fkc()", "kernel": "langevin()"},
    ),
    "multinomial": (f"{PLANE} * exp(steps())", {"resample": "multinomial(when = always)"}),
    "residual": (
        f"{PLANE} * exp(steps())",
        {"resample": "residual(when = always)", "kernel": "hmc(line = 2)"},
    ),
    "stratified": (
        f"{PLANE} * exp(-x[0])",
        {
            "resample": "stratified(when = always)",
            "kernel": "unadjusted_hmc()",
            "potential": "sum()",
        },
    ),
    "temper": (f"{TAILS} * exp(-2 * sum(softplus(x - 1)))", {"path": "temper(ess = 0.8)"}),
    "base": (
        f"{TAILS} * where(x[0] > 0)",
        {"path": "temper(base = mixture(0.5: Normal(0, 3), 0.5: Laplace(0, 1)))"},
    ),
    "where": (f"{PLANE} * where(x[0] > 0.5 and x[1] < 1)", {"particles": 64}),
    "black box": (f"{PLANE} * where(sin(3 * x[0]) > 0 or x[1] == 0)", {"particles": 64}),
    "supports": (
        "a ~ Gamma(2, 1) * LogNormal(0, 1)\nb ~ Beta(2, 3)\np : Real[3]\n"
        "p ~ Dirichlet([1, 2, 3])\nu ~ Uniform(0, 2) * exp(-a * b * u)",
        {"kernel": "barker(steps = 9)"},
    ),
    "hierarchy": (
        "m ~ Normal(0, 5)\ns ~ HalfNormal(3)\nx : Real[2]\nx ~ Normal(m, s)\n"
        "x ~ exp(-0.5 * sum((x - [1, 4])^2))",
        {"kernel": "barker(steps = 9)"},
    ),
    "parts": ("x : Real[4]\nx ~ Normal(0, 1)\nx[0] ~ Normal(1, 0.5)", {}),
    "tokens": (
        f"x : Tokens[5]\nx ~ {CHAIN} * exp(-(sum(x == 1) - 2)^2) * where(sum(x == 2) == 1)",
        {"particles": 32, "islands": 4, "kernel": "gibbs(steps = 1, block = 2)"},
    ),
    "sections": ("x ~ Wanders() * exp(-0.5 * sum(x^2))", {"kernel": "mala(steps = 1)"}),
    "pictures": (
        "x : Image[3, 8, 8]\n"
        "x ~ Normal(0.5, 1) * exp(-sum(blur(grey(x), 1)^2) - mean(resize(x, 4, 4)))",
        {"particles": 4},
    ),
    "mask": (
        "x : Image[1, 8, 8]\ninput half : Mask\n"
        "x ~ digits(3) ^ (1 - half)\nx ~ digits(8) ^ half given x",
        {"particles": 4},
    ),
    "digits": (PROGRAMS / "digits.poe", {"particles": 4}),
    "points": (PROGRAMS / "checkerboard.poe", {"particles": 8}),
    "rooms": (PROGRAMS / "front.poe", {"particles": 2, "steps": 3, "profile": "small"}),
}
VALUES = {
    "mask": {"half": (torch.arange(64).view(8, 8) % 8 > 3).float()},
    "rooms": {
        "prompt": "a red sphere",
        "depth": INPUTS / "depth.png",
        "mask": INPUTS / "mask.png",
        "image": INPUTS / "without.png",
    },
}


#: Those with large networks or many kernel steps.
SLOW = ("digits", "mask", "rooms", "hierarchy", "pictures", "supports")
NAMES = [pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in CASES]


def run(name: str) -> poedsl.Result:
    """A short run, with nothing left of one before."""
    forget()
    program, options = CASES[name]
    plan = poedsl.compile(program).bind(**VALUES.get(name, {}))
    steps = {} if name in ("tokens", "sections") else {"steps": 4}
    return plan.run(seed=1, **{"particles": 16, **steps, **options})


def test_nothing_is_left_of_a_run_before() -> None:
    """Whatever is imported before the tests, and so is left out of garbage collections."""
    run("points")

    def filled() -> list[str]:
        known = [c for c in caches() if hasattr(c, "cache_info") and c.cache_info().currsize]
        return [c.__qualname__ for c in known]

    assert filled()
    forget()
    assert filled() == []


@pytest.mark.slow
def test_a_model_of_pyro(every_tensor_names_its_device: None) -> None:
    effects = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0]
    errors = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]
    poedsl.Plan.from_pyro(eight_schools, effects, errors).run(particles=16, steps=4)


def test_a_language_model(tmp_path: Path, every_tensor_names_its_device: None) -> None:
    folder = causal(tmp_path, "abcdefghijklmnopqrst", seed=1, layers=1, width=8)
    program = f'x : Tokens[6]\nx ~ lm("{folder}", "ab") * where(not contains(x, "abc"))'
    poedsl.compile(program).run(particles=8)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_another_default_type(name: str) -> None:
    """The particles, weights and evidence are the same bits; every tensor names its device."""
    with EveryTensorIsPlaced() as mode:
        plain = run(name)
    assert not mode.without_device | mode.without_dtype
    torch.set_default_dtype(torch.float64)
    try:
        other = run(name)
    finally:
        torch.set_default_dtype(torch.float32)
    for variable, x in plain.particles.items():
        assert x.dtype == other.particles[variable].dtype
        assert torch.equal(x, other.particles[variable])
    assert torch.equal(plain.log_weights, other.log_weights)
    assert plain.log_evidence == other.log_evidence


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mixtures", "islands"])
def test_another_default_device(name: str) -> None:
    """One without values, which what is made there would lack; a cruder check."""
    plain = run(name)
    with torch.device("meta"):
        other = run(name)
    assert torch.equal(plain.particles["x"], other.particles["x"])
    assert plain.log_evidence == other.log_evidence


def test_attention_on_a_gpu_has_right_gradients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where gradients are taken cuDNN's kernel is off; afterwards all is as before."""
    (tmp_path / "own.py").write_text(
        """
import poedsl, torch

@poedsl.reward(gradient=True)
def looked(x: poedsl.Real[2]):
    cuda = torch.backends.cuda
    on = (cuda.cudnn_sdp_enabled(), cuda.flash_sdp_enabled(), cuda.math_sdp_enabled())
    if x.requires_grad:
        print("kernels", *on)
    return -x.square().sum(-1)
"""
    )
    (tmp_path / "own.poe").write_text(
        'use looked from "own.py:looked"\nx : Real[2]\nx ~ Normal(0, 1) * exp(looked())\n'
    )
    plan = poedsl.compile(tmp_path / "own.poe", allow_code=True)
    before = torch.backends.cuda.cudnn_sdp_enabled()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        plan.run(seed=0, particles=8, steps=3)
    kernels = {line for line in printed.getvalue().splitlines() if line.startswith("kernels")}
    assert kernels == {"kernels False True True"}
    assert torch.backends.cuda.cudnn_sdp_enabled() == before


def test_the_check_sees_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In code of the package alone."""
    from poedsl.runtime.targets import tempering

    with EveryTensorIsPlaced() as mode:
        torch.zeros(1)
        tempering.log_base(torch.zeros(2, 3))
        assert not mode.without_device and not mode.without_dtype
        source = compile("torch.zeros(1)\ntorch.arange(3, device='cpu') / 2", __file__, "exec")
        exec(source.replace(co_filename=tempering.__file__), {"torch": torch})
    assert [p.split(":", 1)[1] for p in sorted(mode.without_device)] == ["1: zeros"]
    assert [p.split(":", 1)[1] for p in sorted(mode.without_dtype)] == ["1: zeros", "2: div"]
