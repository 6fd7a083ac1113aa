"""Variables that grow by sections, against the smoother of linear Gaussian chains."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from tests.diagnostics import quoted, refused

N, WIDTH = 6, 2
SEEN = torch.tensor(
    [[0.3, -0.2], [1.4, 0.2], [1.0, -1.8], [-0.4, 0.9], [-1.2, 0.1], [0.5, 2.0]],
    dtype=torch.float64,
)


@poedsl.expert(domain="Real[6, 2]")
class Chain:
    """x_k = decay x_{k-1} + spread noise, from zero."""

    def __init__(self, decay: float = 0.8, spread: float = 0.5) -> None:
        self.decay, self.spread = decay, spread

    def extend(self, prefix: Tensor, noise: Tensor) -> Tensor:
        last = prefix[:, -1] if prefix.shape[1] else torch.zeros_like(noise)
        return self.decay * last + self.spread * noise

    def log_prob(self, prefix: Tensor) -> Tensor:
        before = torch.cat([torch.zeros_like(prefix[:, :1]), prefix[:, :-1]], 1)
        normal = torch.distributions.Normal(self.decay * before, self.spread)
        return normal.log_prob(prefix).sum((1, 2))


@poedsl.expert(domain="Real[6, 2]")
class Drawn:
    """A chain whose density nobody knows."""

    def extend(self, prefix: Tensor, noise: Tensor) -> Tensor:
        return Chain().extend(prefix, noise)


@poedsl.expert(domain="Real[6, 2]")
class Narrow:
    """Returns half of a section."""

    def extend(self, prefix: Tensor, noise: Tensor) -> Tensor:
        return noise[:, :1]


@poedsl.reward
def near(x: poedsl.Real[6, 2]) -> Tensor:
    """The observations, without a gradient."""
    return -0.5 * (x - SEEN.to(x)).square().sum((1, 2))


REWARD = f"exp(-0.5 * sum((x - {SEEN.tolist()})^2))"


def exact(*chains: tuple[float, float, float], seen: bool) -> tuple[Tensor, Tensor, float]:
    """Means, variances and log evidence of a product of chains (decay, spread, exponent), with
    observations of variance one whose density is not normalised.
    """
    precision = seen * torch.eye(N, dtype=torch.float64)
    log_z = 0.0
    for decay, spread, exponent in chains:
        whiten = torch.eye(N, dtype=torch.float64)
        whiten.diagonal(-1).fill_(-decay)
        precision = precision + exponent * whiten.T @ whiten / spread**2
        log_z -= exponent * WIDTH * N * (math.log(spread) + 0.5 * math.log(2 * math.pi))
    covariance = torch.linalg.inv(precision)
    mean = covariance @ (seen * SEEN)
    log_z += 0.5 * WIDTH * (N * math.log(2 * math.pi) - float(torch.logdet(precision)))
    log_z += 0.5 * float((mean * (seen * SEEN)).sum() - (seen * SEEN.square()).sum())
    return mean, covariance.diagonal()[:, None].expand(N, WIDTH), log_z


def compiled(text: str, **options: object) -> poedsl.Plan:
    return poedsl.compile(f"x : Real[6, 2]\nx ~ {text}").with_options(**options)


CASES = {
    "Chain()": ((0.8, 0.5, 1),),
    "Chain() * Chain(0.3, 0.7)": ((0.8, 0.5, 1), (0.3, 0.7, 1)),
    "Chain()^0.5 * Chain(0.3, 0.7)^0.7": ((0.8, 0.5, 0.5), (0.3, 0.7, 0.7)),
    f"Chain() * {REWARD}": ((0.8, 0.5, 1),),
    f"Drawn() * {REWARD}": ((0.8, 0.5, 1),),
    "Chain() * exp(near())": ((0.8, 0.5, 1),),
    f"Chain() * Chain(0.3, 0.7) * {REWARD}": ((0.8, 0.5, 1), (0.3, 0.7, 1)),
    "Chain() * Normal(0, 1)": ((0.8, 0.5, 1), (0, 1, 1)),
}


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("kernel", ["none", "mala(steps = 3)", "hmc()", "langevin(steps = 8)"])
@pytest.mark.parametrize("text", CASES)
def test_against_the_smoother(text: str, kernel: str) -> None:
    """Sixteen islands, whose spread is the error."""
    if "Drawn" in text and kernel != "none":
        pytest.skip("it has no density to revisit prefixes by")
    kernel = kernel.replace("8)", "8, step_size = 0.02^0.5)")
    plan = compiled(text, particles=4000, islands=16, kernel=kernel, steps=6)
    job = Run(plan.bound().spec, RunSettings(seed=1))
    for _ in job.stages():
        pass
    seen = "exp" in text
    mean, variance, log_z = exact(*CASES[text], seen=seen)
    log_weights = job.population.total_log_weights.view(16, -1)
    weights = log_weights.softmax(1)[..., None, None]
    x = job.population.particles.x.double().view(16, -1, N, WIDTH)
    means = (weights * x).sum(1)
    variances = (weights * (x - mean).square()).sum(1)
    slack = 0.05 if "langevin" in kernel else 0.0
    for found, truth in ((means, mean), (variances, variance)):
        error = found.std(0) / 16**0.5
        off = (found.mean(0) - truth).abs() - slack * variance
        assert float((off / error).max()) < 5.5  # t with 15 degrees, 24 times
        assert float(error.max()) < 0.05
    found = job.population.island_evidence.exp().mul(math.exp(-log_z))
    error = float(found.std()) / 16**0.5
    assert error < 0.15
    assert abs(float(found.mean()) - 1) < 3 * error + 4 * slack + 1e-5


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("kernel", ["none", "mala(adapt = false, step_size = 0.32)"])
@pytest.mark.parametrize(
    "text", [f"Chain() * {REWARD}", "Chain() * exp(near())", "Chain() * Chain(0.3, 0.7)"]
)
def test_the_evidence_is_unbiased(text: str, kernel: str) -> None:
    """A thousand islands of eight, in three stages of two sections."""
    plan = compiled(text, particles=8000, islands=1000, kernel=kernel, steps=3)
    job = Run(plan.bound().spec, RunSettings(seed=1))
    for _ in job.stages():
        pass
    log_z = exact(*CASES[text], seen="exp" in text)[2]
    ratios = (job.population.island_evidence - log_z).exp()
    error = float(ratios.std()) / 1000**0.5
    assert error < 0.1
    assert abs(float(ratios.mean()) - 1) < 3 * error


def test_what_the_plan_chooses() -> None:
    plan = compiled("Chain()").spec
    chosen = {o.name: o for o in plan.options}
    assert plan.stages == N
    assert chosen["kernel"].value.function != "none" and chosen["kernel"].reason
    assert compiled("Drawn()").spec.option("kernel").function == "none"  # type: ignore[union-attr]


def test_a_prefix_is_shown_with_zeros_and_its_completion() -> None:
    job = Run(
        compiled(f"Chain() * {REWARD}", particles=5).bound().spec, RunSettings(shown_stages=2)
    )
    for record in job.stages():
        view = job.view(record)
        assert view.particles["x"].shape == (5, N, WIDTH)
        if record.t == N:
            first = view.particles["x"][:, 0]
            assert not view.particles["x"][:, 1:].any()
            assert torch.allclose(view.endpoints["x"][:, 2], 0.8**2 * first)
    endpoints = job.result().predicted_endpoints
    assert endpoints is not None


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Drawn()^0.5", ["P0503", "P0802"]),
        ("Chain() * Drawn()", ["P0503", "P0802"]),
        ("Chain()^[[1, 0]]", ["P0503", "P0503"]),
    ],
)
def test_what_is_refused(text: str, codes: list[str]) -> None:
    with refused(*codes) as errors:
        compiled(text)
    assert ("Drawn" if "Drawn" in text else "Chain") in quoted(errors[0])


def test_what_else_is_refused() -> None:
    with refused("P0503"):
        compiled("Drawn()", kernel="langevin").run()
    with refused("P0708"):
        compiled("Narrow()").run(particles=4)
    two = "x : Real[6, 2]\ny : Real[6, 2]\nx ~ Chain()\ny ~ Chain()"
    with refused("P0503"):
        poedsl.compile(two)
