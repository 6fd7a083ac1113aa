"""Tempering samples what the path from noise cannot: against closed forms."""

from __future__ import annotations

import math
import re

import pytest
import torch

import poedsl
from poedsl.compiler.plan.read_json import from_json
from poedsl.compiler.plan.terms import Apply
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.result import Result
from poedsl.runtime.run import Run
from tests.diagnostics import refused


def moments(result: Result, name: str = "x") -> tuple[float, float]:
    weights, x = result.log_weights.exp(), result.particles[name]
    mean = float((weights * x).sum())
    return mean, float((weights * (x - mean).square()).sum())


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    "text, mean, variance, log_z",
    [
        ("x ~ Normal(0, 1) / Normal(0, 2)", 0, 4 / 3, math.log(32 * math.pi / 3) / 2),
        ("x ~ StudentT(9, 1, 2)", 1, 36 / 7, 0),
        ("x ~ Laplace(0, 1) * Laplace(1, 1)", 0.5, None, math.log(0.5) - 1),
        ("x ~ Logistic(1, 0.5)", 1, math.pi**2 / 12, 0),
        ("x ~ Logistic(0, 1) * Logistic(0, 1)", 0, math.pi**2 / 3 - 2, -math.log(6)),
        ("x ~ mixture(Normal(-3, 0.5), Normal(3, 0.5))", 0, 9.25, 0),
    ],
)  # fmt: skip
def test_one_variable(text: str, mean: float, variance: float | None, log_z: float) -> None:
    result = poedsl.compile(text).run(seed=0, particles=20_000, path="temper()")
    found = moments(result)
    assert found[0] == pytest.approx(mean, abs=0.15)
    assert variance is None or found[1] == pytest.approx(variance, rel=0.06)
    assert result.log_evidence == pytest.approx(log_z, abs=0.04)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_hierarchy_and_its_posterior() -> None:
    prior = "x ~ Normal(0, 1)\ny : Real\ny ~ Normal(x, 0.5)"
    result = poedsl.compile(prior).run(seed=0, particles=4000)
    assert moments(result, "y")[1] == pytest.approx(1.25, rel=0.06)
    assert result.log_evidence == pytest.approx(0, abs=0.04)
    seen = poedsl.compile(f"{prior} * exp(-2 * (y - 2)^2)").run(seed=0, particles=4000)
    assert moments(seen, "x")[0] == pytest.approx(2 / 1.5, abs=0.05)
    assert moments(seen, "x")[1] == pytest.approx(1 / 3, rel=0.1)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("text", "off"),
    [
        ("x ~ StudentT(3, 100, 5)", 0.02),
        ("x : Real[3]\nx ~ Laplace([1000, 0, -7], [1, 100, 0.01])", 0.05),
        ("x ~ Cauchy(-50, 2)", 0.05),
        ("x ~ mixture(0.5: StudentT(5, 20, 1), 0.5: Laplace(26, 2))", 0.05),
        ("a ~ Gamma(3, 1)\nx : Real[4]\nx ~ Normal(0, a)", 0.1),
        ("m ~ Normal(80, 10)\nx : Real[3]\nx ~ Normal(m, 5)", 0.1),
        (
            "x : Real[5]\nx[0] ~ Normal(30, 1)\n"
            "for i in range(1, 5):\n    x[i] ~ StudentT(4, x[i - 1], 1)",
            0.1,
        ),
        ("s ~ Normal(1, 1)\nx ~ Normal(7, s)", None),
    ],
)
def test_it_starts_where_the_densities_are(text: str, off: float | None) -> None:
    """Also those that depend on others; a scale that may be negative leaves a share of the mass."""
    result = poedsl.compile(text).run(seed=0, particles=3000, islands=2)
    truth = 0.0 if off is not None else math.log(0.5 * math.erfc(-1 / math.sqrt(2)))
    assert result.log_evidence == pytest.approx(truth, abs=off or 0.1)


@pytest.mark.slow
def test_conditions_are_hard_at_the_end() -> None:
    text = "x : Real[2]\nx ~ StudentT(3) * where(norm(x - [1, 0]) < 1)"
    result = poedsl.compile(text).run(seed=0, particles=2000)
    draws = result.sample(2000)["x"]
    assert bool(((draws - torch.tensor([1.0, 0.0])).norm(dim=-1) < 1).all())


@pytest.mark.slow
@pytest.mark.statistical
def test_the_evidence_is_unbiased() -> None:
    plan = poedsl.compile("x ~ StudentT(4, 2, 0.5) * Normal(0, 1)")
    grid = torch.linspace(-8, 10, 20_001, dtype=torch.float64)
    student = torch.distributions.StudentT(4.0, 2.0, 0.5).log_prob(grid)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(grid)
    truth = float(torch.logsumexp(student + normal, 0)) + math.log(18 / 20_000)
    options = {"particles": 8000, "islands": 1000, "steps": 6, "path": "temper()"}
    job = Run(plan.with_options(**options).bound().spec)
    for _ in job.stages():
        pass
    ratios = (job.population.island_evidence - truth).exp()
    error = float(ratios.std()) / 1000**0.5
    assert abs(float(ratios.mean()) - 1) < 3 * error


@pytest.mark.slow
@pytest.mark.statistical
def test_a_chain_given_what_was_seen() -> None:
    text = """
input seen : Real[4] = [1, 2, 2, 3]
x : Real[4]
x[0] ~ Normal(0, 1)
for i in range(3):
    x[i + 1] ~ Normal(x[i], 0.5)
x ~ exp(-0.5 * sum((x - seen)^2))
"""
    result = poedsl.compile(text).run(seed=0, particles=4000)
    precision = torch.tensor(
        [[5.0, -4, 0, 0], [-4, 8, -4, 0], [0, -4, 8, -4], [0, 0, -4, 4]], dtype=torch.float64
    )
    seen = torch.tensor([1.0, 2, 2, 3], dtype=torch.float64)
    after = precision + torch.eye(4)
    mean = torch.linalg.solve(after, seen)
    log_z = 0.5 * (precision.logdet() - after.logdet() - seen @ seen + seen @ mean)
    found = (result.log_weights.exp()[:, None] * result.particles["x"]).sum(0)
    torch.testing.assert_close(found, mean, atol=0.1, rtol=0)
    assert result.log_evidence == pytest.approx(float(log_z), abs=0.2)


@pytest.mark.slow
@pytest.mark.statistical
def test_stages_are_placed_by_the_particles() -> None:
    plan = poedsl.compile("x ~ StudentT(9, 1, 2) * Normal(0, 3) * where(x > 0)")
    fixed = plan.run(seed=0, particles=20_000, path="temper(ess = none)", kernel="mala(steps = 3)")
    placed = plan.run(seed=0, particles=20_000, path="temper(ess = 0.9)")
    assert len(placed.stages) < len(fixed.stages) / 2
    assert [s.t for s in placed.stages][-1] == 1
    assert placed.stages[-1].beta == 1
    assert all(s.ess > 0.4 * 20_000 for s in placed.stages)
    assert fixed.log_evidence is not None
    assert placed.log_evidence == pytest.approx(fixed.log_evidence, abs=0.04)
    assert not placed.evidence.reasons
    assert not placed.warnings


@pytest.mark.slow
@pytest.mark.parametrize("condition", ["x[0] > 2", "all(x > 0.5)", "abs(x[0]) > 1 or x[1] == 0"])
def test_the_last_stage_is_the_first_in_number(condition: str) -> None:
    """Whether or not the last step was limited: what is done at the end is done at stage 1."""
    plan = poedsl.compile(f"x : Real[2]\nx ~ StudentT(9) * where({condition})")
    result = plan.run(seed=0, particles=400)
    last = result.stages[-1]
    assert (last.t, last.beta) == (1, 1.0)
    assert bool((result.log_values["where"][result.log_weights > -math.inf] == 0).all())


@pytest.mark.slow
def test_endpoints_are_kept_evenly_along_stages_placed_by_the_particles() -> None:
    plan = poedsl.compile("x : Real[2]\nx ~ Normal(0, 1) * exp(-50 * sum((x - 2)^2))")
    plan = plan.with_options(path="temper(base = Normal(0, 1))")
    job = Run(plan.bound().spec, RunSettings(shown_stages=6))
    counts = [job.stage_count for _ in job.stages()]
    endpoints = job.result().predicted_endpoints
    assert endpoints is not None and len(endpoints.stages) == len(endpoints.endpoints) == 6
    assert endpoints.stages[-1] == 1 and list(endpoints.stages) == sorted(
        endpoints.stages, reverse=True
    )
    torch.testing.assert_close(endpoints.endpoints[-1], job.population.particles.x)
    assert counts[-1] == len(counts) < 100


def test_a_line_integral_is_not_preconditioned() -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)")
    with refused("P0503"):
        plan.with_options(kernel="mala(line = 2, precondition = true)")


def test_stages_that_do_not_suffice_are_reported() -> None:
    plan = poedsl.compile("x : Real[20]\nx ~ StudentT(9) * exp(-50 * sum((x - 6)^2))")
    path = "temper(ess = 0.9, base = Normal(0, 1))"
    result = plan.run(seed=0, particles=200, steps=3, path=path)
    assert len(result.stages) == 4
    assert any(w.code == "P1004" for w in result.warnings)
    assert result.stages[-1].beta == 1


# What the path starts from.

WELLS = "mixture(0.3: Normal(-3, 0.5), 0.7: Normal(4, 1))"


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("text", "base", "log_z"),
    [
        ("x ~ Normal(1, 2) * Normal(0, 1)", "Normal(2, 3)", -0.1 - math.log(10 * math.pi) / 2),
        (f"x ~ {WELLS}", "Normal(0, 5)", 0.0),
        (
            f"x ~ {WELLS}",
            "mixture(0.4: Normal(-3, 1), 0.6: mixture(Cauchy(4, 1), Laplace(0, 1)))",
            0,
        ),
        ("x ~ Gamma(3, 2)", "Exponential(1)", 0.0),
        ("x ~ Normal(0, 1) * Uniform(-1, 1)", "Uniform(-1, 1)", math.log(0.6826894921 / 2)),
        ("x : Real[2]\nx ~ StudentT(5)", "MultivariateNormal([1, 0], [[2, 1], [1, 2]])", 0.0),
        ("x : Real[2]\ny : Real\nx ~ Normal(1, 1)\ny ~ Laplace(0, 1)", "Normal(0, 2)", 0.0),
    ],
)
def test_the_evidence_from_a_base_is_unbiased(text: str, base: str, log_z: float) -> None:
    """A thousand islands of sixteen, in twelve steps."""
    options = {"path": f"temper(base = {base})", "kernel": "mala(adapt = false)"}
    plan = poedsl.compile(text).with_options(**options)
    job = Run(plan.with_options(particles=16_000, islands=1000, steps=12).bound().spec)
    for _ in job.stages():
        pass
    ratios = (job.population.island_evidence - log_z).exp()
    error = float(ratios.std()) / 1000**0.5
    assert error < 0.05
    assert abs(float(ratios.mean()) - 1) < 3 * error + 1e-4


@pytest.mark.slow
@pytest.mark.statistical
def test_a_base_that_is_the_target_has_even_weights() -> None:
    plan = poedsl.compile(f"x ~ {WELLS}").with_options(path=f"temper(base = {WELLS})")
    result = plan.run(seed=0, particles=2000)
    assert result.log_evidence == pytest.approx(0, abs=1e-5)
    assert result.stages[-1].ess == pytest.approx(2000)
    assert float((result.particles["x"] > 0).float().mean()) == pytest.approx(0.7, abs=0.03)


@pytest.mark.slow
@pytest.mark.statistical
def test_the_base_and_the_share_go_together() -> None:
    plan = poedsl.compile(f"x ~ {WELLS}")
    result = plan.run(seed=0, particles=4000, path="temper(ess = 0.8, base = Normal(0, 6))")
    assert result.log_evidence == pytest.approx(0, abs=0.05)
    assert len(result.stages) < 30


def test_a_base_is_part_of_the_plan() -> None:
    plan = poedsl.compile(f"x ~ {WELLS}\nsample x by anneal(path = temper(base = {WELLS}))").spec
    assert parse_plan(print_plan(plan)) == plan
    assert from_json(plan.to_json()) == plan
    assert "base = mixture(0.3: Normal(loc = -3, scale = 0.5)" in print_plan(plan)


@pytest.mark.parametrize(
    ("text", "base", "code"),
    [
        ("x ~ Normal(0, 1)", "StudentT(3)", "P0503"),
        ("x ~ Normal(0, 1)", "Uniform(0, 1)", "P0503"),
        ("x ~ Gamma(2, 1)", "Normal(0, 1)", "P0503"),
        ("x ~ Normal(0, 1)", "Normal([1, 2], 1)", "P0603"),
        ("x ~ Normal(0, 1)", "Normal(x, 1)", "P0502"),
        ("x ~ Normal(0, 1)", "Normal(0, -1)", "P0307"),
        ("x ~ Normal(0, 1)", "Normal(0)", "P0502"),
        ("x ~ Normal(0, 1)", "3", "P0502"),
        ("x ~ Normal(0, 1)", "mixture(1: Normal(0, 1), 1: Normal(1, 1))", "P0405"),
    ],
)
def test_bases_that_cannot_be(text: str, base: str, code: str) -> None:
    with refused(code):
        poedsl.compile(text).run(particles=4, path=f"temper(base = {base})")


@pytest.mark.slow
@pytest.mark.statistical
def test_a_product_that_is_no_density_on_the_way_from_noise() -> None:
    """Exponents -1.9, 2.2 and 0.4: the flow path is refused, and tempering needs no middle."""
    powers = ((-1.9, 1.24), (2.2, 3.48), (0.4, 0.46))
    text = " * ".join(f"Normal(0, {scale})^{power}" for power, scale in powers)
    with refused("P0407"):
        poedsl.compile(f"x ~ {text}").run(particles=8)
    precision = sum(w / s**2 for w, s in powers)
    log_z = -sum(w * (math.log(s) + math.log(2 * math.pi) / 2) for w, s in powers)
    log_z += 0.5 * math.log(2 * math.pi / precision)
    result = poedsl.compile(f"x ~ {text}").run(seed=0, particles=4000, path="temper()")
    assert result.log_evidence == pytest.approx(log_z, abs=0.02)
    assert moments(result)[1] == pytest.approx(1 / precision, rel=0.08)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_power_of_one_mixture_starts_from_the_mixture() -> None:
    """Modes of one width, cubed: each has its weight cubed."""
    plan = poedsl.compile("x ~ mixture(1/3: Normal(-30, 1), 2/3: Normal(30, 1))^3")
    assert "temper(ess = none, base = mixture(" in print_plan(plan.spec)
    result = plan.run(seed=0, particles=4000)
    log_z = math.log(1 / 27 + 8 / 27) - math.log(2 * math.pi) - math.log(3) / 2
    assert result.log_evidence == pytest.approx(log_z, abs=0.03)
    above = float(result.log_weights.exp() @ (result.particles["x"] > 0).double())
    assert above == pytest.approx(8 / 9, abs=0.02)


@pytest.mark.parametrize(
    "text",
    [
        "x ~ mixture(Normal(-3, 1), Normal(3, 1))",
        "x ~ mixture(Normal(-3, 1), Normal(3, 1)) * Normal(0, 5)",
        "x ~ mixture(Normal(-1, 1), Normal(2, 1)) * mixture(Normal(0, 2), Normal(3, 1))",
        "x : Real[1001]\nx ~ mixture(Normal(-30, 1), Normal(3, 1)) * Normal(0, 1)",
        "x ~ Normal(0, 1)^2",
    ],
)
def test_other_products_take_the_path_from_noise(text: str) -> None:
    assert "option path = flow()" in print_plan(poedsl.compile(text).spec)


@pytest.mark.parametrize(
    "factors",
    [
        "mixture(Normal(-3, 1), Normal(3, 1))^0.5",
        "mixture(Normal(-3, 1), Normal(3, 1))^2 * Normal(0, 5)",
        "Normal(0, 1) * mixture(Normal(-30, 1), Normal(3, 1))",
        "mixture(Normal(0, 1), mixture(Normal([0, 9], 1), Normal(0, 2))) * Normal(0, 1)",
        "mixture(Normal(0, 1), Normal(1, 1)) * mixture(Normal(0, 1), Normal(9, 1))",
    ],
)
def test_mixtures_apart_from_the_others_are_tempered(factors: str) -> None:
    """Or not known to be near them."""
    plan = print_plan(poedsl.compile(f"x : Real[2]\nx ~ {factors}").spec)
    assert 'option path = temper()  because "parts of `mixture` at' in plan


@pytest.mark.parametrize(
    ("factors", "without"),
    [
        ("Normal(0, 1) * Laplace(1, 0.5)", "Laplace"),
        ("mixture(Laplace(-3, 1), Laplace(3, 1)) * Normal(0, 1)", "mixture"),
        ("mixture(Normal(0, 1), StudentT(3, 0, 1)) * Normal(0, 1)", "mixture"),
    ],
)
def test_so_are_densities_without_noised_marginals(factors: str, without: str) -> None:
    plan = poedsl.compile(f"x : Real[2]\nx ~ {factors}").spec
    assert plan.option("path") == Apply("temper")
    (reason,) = (o.reason for o in plan.options if o.name == "path")
    assert re.findall("`(.*?)`", reason) == [without]


def test_parts_of_different_shapes_are_not_compared() -> None:
    """Of 5 and [[1], [2]] against [1, 9], all pairs of components would count."""
    text = "x : Real[2, 2]\nx ~ mixture(Normal([[1], [9]], 1), Normal(5, 3)) * Normal([1, 9], 1)"
    assert "option path = temper()" in print_plan(poedsl.compile(text).spec)


@pytest.mark.slow
@pytest.mark.statistical
def test_their_parts_have_their_shares() -> None:
    """By Gaussians in closed form: of five times three products of parts, two hold the mass."""
    means, scales = [-2.81, 1.87, -6.8, 2.69, -0.624], [0.113, 0.448, 0.285, 0.581, 0.323]
    others, widths = [7.57, 0.956, -5.84], [0.203, 0.939, 0.112]
    first = ", ".join(f"Normal({m}, {s})" for m, s in zip(means, scales, strict=True))
    second = ", ".join(f"Normal({m}, {s})" for m, s in zip(others, widths, strict=True))
    result = poedsl.compile(f"x ~ mixture({first}) * mixture({second})").run(seed=0)
    logs, centres = [], []
    for m, s in zip(means, scales, strict=True):
        for n, t in zip(others, widths, strict=True):
            total = s * s + t * t
            logs.append(-0.5 * (m - n) ** 2 / total - 0.5 * math.log(2 * math.pi * total))
            centres.append((m * t * t + n * s * s) / total)
    shares = torch.tensor(logs, dtype=torch.float64).softmax(0)
    log_z = float(torch.tensor(logs, dtype=torch.float64).logsumexp(0)) - math.log(15)
    assert result.log_evidence == pytest.approx(log_z, abs=0.06)
    mean = float(result.log_weights.exp() @ result.particles["x"].flatten().double())
    assert mean == pytest.approx(float(shares @ torch.tensor(centres).double()), abs=0.15)
