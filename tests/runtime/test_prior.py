"""Tempered runs that start from ancestral draws, where a variable says how wide another is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import poedsl
from poedsl.runtime.build.ancestral_prior import Conjugate, Prior
from poedsl.runtime.build.laplace_base import GaussianBase
from poedsl.runtime.build.non_centred_base import NonCentredBase
from poedsl.runtime.run import Run
from tests.runtime.helpers import wide_base

EFFECTS = (28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0)
ERRORS = (15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0)
GROUPS = "mu ~ Normal(0, 5)\ntau ~ HalfNormal(5)\ntheta : Real[8]\n"


def schools() -> tuple[float, float]:
    """Log evidence, and the mean of tau, with the effects integrated out, by quadrature."""
    mu, tau = np.linspace(-30, 30, 601)[:, None], np.linspace(1e-3, 40, 2001)[None]
    logs = -0.5 * (mu / 5) ** 2 - 0.5 * (tau / 5) ** 2 + math.log(2 / (25 * 2 * math.pi))
    for effect, error in zip(EFFECTS, ERRORS, strict=True):
        variance = tau**2 + error**2
        logs = logs - 0.5 * (effect - mu) ** 2 / variance - 0.5 * np.log(2 * math.pi * variance)
    each = np.exp(logs)
    total = each.sum()
    return math.log(total * 0.1 * (tau[0, 1] - tau[0, 0])), float((each * tau).sum() / total)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("text", "offset"),
    [
        (f"theta ~ Normal(mu, tau) * Normal({list(EFFECTS)}, {list(ERRORS)})", 0.0),
        (
            "theta ~ Normal(mu, tau)\n"
            f"theta[0:5] ~ Normal({list(EFFECTS[:5])}, {list(ERRORS[:5])})\n"
            f"theta[5:8] ~ Normal({list(EFFECTS[5:])}, {list(ERRORS[5:])})",
            0.0,
        ),
        (
            "theta ~ Normal(mu, tau) "
            f"* exp(-0.5 * sum(((theta - {list(EFFECTS)}) / {list(ERRORS)})^2))",
            sum(math.log(e * math.sqrt(2 * math.pi)) for e in ERRORS),
        ),
    ],
)
def test_eight_schools(text: str, offset: float) -> None:
    """Rubin 1981; however the data are written."""
    log_z, tau = schools()
    result = poedsl.compile(GROUPS + text).run(seed=1, particles=800)
    assert result.log_evidence == pytest.approx(log_z + offset, abs=0.08)
    found = (result.log_weights.exp() * result.particles["tau"].flatten()).sum()
    assert float(found) == pytest.approx(tau, abs=0.2)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "v ~ Normal(0, 3)\nx : Real[9]\nx ~ Normal(0, exp(v / 2))",
        "a ~ Gamma(3, 1)\nx : Real[4]\nx ~ StudentT(4, 0, a)",
        "x ~ Uniform(0, 2)\ny ~ Uniform(0, x)",
        "a ~ Exponential(1)\nx : Real[3]\nx ~ Gamma(1 + a, 2)",
        "x : Real[20]\nx[0] ~ Normal(0, 1)\nfor i in range(1, 20):\n"
        "    x[i] ~ Normal(x[i - 1], 0.3)",
    ],
)
def test_what_is_drawn_from_exactly_has_even_weights(text: str) -> None:
    result = poedsl.compile(text).run(seed=0, particles=200)
    assert result.log_evidence == pytest.approx(0, abs=1e-3)
    assert result.stages[-1].unique_ancestors == 200


@pytest.mark.slow
@pytest.mark.statistical
def test_a_long_chain_and_one_reward() -> None:
    count = 35
    text = (
        f"x : Real[{count}]\nx[0] ~ Normal(0, 1)\nfor i in range(1, {count}):\n"
        f"    x[i] ~ Normal(x[i - 1], 1)\nx ~ exp(-0.5 * (x[{count - 1}] - 5)^2)"
    )
    result = poedsl.compile(text).run(seed=0)
    truth = -12.5 / (count + 1) - 0.5 * math.log(count + 1)
    assert result.log_evidence == pytest.approx(truth, abs=0.15)


@pytest.mark.slow
@pytest.mark.statistical
def test_one_number_around_another_and_a_gaussian() -> None:
    result = poedsl.compile("s ~ HalfNormal(2)\nx ~ Normal(0, s) * Normal(3, 0.1)").run(seed=0)
    s = np.linspace(1e-3, 20, 20_000)
    each = np.exp(-0.125 * s**2 - 4.5 / (s**2 + 0.01)) / np.sqrt(s**2 + 0.01) / math.pi / 2
    assert result.log_evidence == pytest.approx(math.log(each.sum() * (s[1] - s[0])), abs=0.05)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_parameter_out_of_its_range_leaves_a_share() -> None:
    """The scale is negative with chance 0.16; no sample has it."""
    result = poedsl.compile("s ~ Normal(1, 1)\nx ~ Normal(7, s)").run(seed=0, particles=8000)
    share = 0.5 * math.erfc(-1 / math.sqrt(2))
    assert result.log_evidence == pytest.approx(math.log(share), abs=0.02)
    alive = result.log_weights > -math.inf
    assert bool((result.particles["s"].flatten()[alive] > 0).all())


@pytest.mark.slow
@pytest.mark.statistical
def test_the_evidence_is_unbiased() -> None:
    """Few particles and steps: E[Z-hat] is Z all the same."""
    plan = poedsl.compile(GROUPS + f"theta ~ Normal(mu, tau) * Normal({list(EFFECTS)}, 12)")
    mu, tau = np.linspace(-30, 30, 601)[:, None], np.linspace(1e-3, 40, 2001)[None]
    logs = -0.5 * (mu / 5) ** 2 - 0.5 * (tau / 5) ** 2 + math.log(2 / (25 * 2 * math.pi))
    for effect in EFFECTS:
        variance = tau**2 + 144
        logs = logs - 0.5 * (effect - mu) ** 2 / variance - 0.5 * np.log(2 * math.pi * variance)
    truth = math.log(np.exp(logs).sum() * 0.1 * (tau[0, 1] - tau[0, 0]))
    job = Run(plan.with_options(particles=480, islands=60, steps=5).bound().spec)
    for _ in job.stages():
        pass
    ratios = (job.population.island_evidence - truth).exp()
    assert abs(float(ratios.mean()) - 1) < 3.5 * float(ratios.std()) / 60**0.5


@pytest.mark.slow
def test_more_particles_leave_the_first_ones_alone() -> None:
    plan = poedsl.compile("s ~ HalfNormal(1)\nx ~ Normal(0, s)")
    still = {"resample": "none()", "kernel": "mala(adapt = false)", "path": "temper(ess = none)"}
    few = plan.run(seed=3, particles=300, steps=3, **still)
    many = plan.run(seed=3, particles=700, steps=3, **still)
    assert torch.equal(few.particles["x"], many.particles["x"][:300])


@pytest.mark.slow
def test_gaussians_beside_are_drawn_with() -> None:
    made = wide_base("s ~ HalfNormal(1)\nx : Real[2]\nx ~ Normal(0, s) * Normal(3, 1)^2")
    assert isinstance(made, Prior)
    (own,) = (site for site in made.sites if isinstance(site, Conjugate))
    assert own.precision.tolist() == [2, 2] and own.pull.tolist() == [6, 6]


@pytest.mark.slow
def test_normals_under_a_gamma_start_from_non_centred_coordinates() -> None:
    assert isinstance(wide_base("s ~ Gamma(3, 1)\nx ~ Normal(0, s)^2"), NonCentredBase)


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "m ~ Normal(0, 1000)\nx ~ Normal(m, 1) * Normal(3, 1)",
        "s ~ HalfNormal(1)\nx ~ Normal(0, s) * Exponential(1)",
        "a ~ Exponential(1)\nx : Real[3]\nx ~ Dirichlet([1, 1, 1] + a)",
        "x ~ Laplace(0, 1) * StudentT(3, 0, 1)",
    ],
)
def test_others_start_from_a_gaussian(text: str) -> None:
    """Where few draws would be near, or nothing can be drawn from as it stands."""
    assert isinstance(wide_base(text), GaussianBase | None)
