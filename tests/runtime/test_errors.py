"""Standard errors of the log evidence, against closed forms and the spread over populations."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.runtime.run import Run
from poedsl.runtime.smc import standard_errors
from poedsl.runtime.smc.evidence_contributions import EvidenceContributions
from poedsl.runtime.smc.population import Population
from tests.runtime.helpers import CROSSING, crossing_log_evidence

WIDE = "x : Real[20]\nx ~ Normal(0, 1) * Normal(2, 0.5)"


def populations(program: str, **options: object) -> tuple[Population[Any], Tensor]:
    """A run of many islands, each a population of its own, and their log evidence."""
    plan = poedsl.compile(program).with_options(**options)
    job = Run(plan.bound().spec)
    for _ in job.stages():
        pass
    each = job.population.island_evidence
    scale = job.target.space.scale.double().log()
    return job.population, each - float(((job.target.exponents.double() - 1) * scale).sum())


#: Wider than the target, so that stages are resampled and errors are large.
WIDER = "temper(ess = none, base = Normal(1.6, 0.8))"
CASES = [
    (CROSSING, crossing_log_evidence(), {"steps": 24, "islands": 320, "particles": 320 * 50}),
    (
        WIDE,
        -10 * (math.log(2 * math.pi * 1.25) + 4 / 1.25),
        {"islands": 160, "particles": 160 * 80, "path": WIDER},
    ),
]


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(("program", "truth", "options"), CASES)
def test_eight_islands_tell_how_far_off_they_are(
    program: str, truth: float, options: dict[str, object]
) -> None:
    _, each = populations(program, **options)
    groups = each.view(-1, 8)
    value = groups.logsumexp(1) - math.log(8)
    error = torch.tensor([standard_errors.between(g) for g in groups], dtype=torch.float64)
    assert float(((value - truth).abs() < 3 * error).double().mean()) >= 0.95
    assert 1 / 1.5 < float(error.mean() / value.std()) < 1.5


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(("program", "truth", "options"), CASES)
def test_so_does_the_genealogy_of_one_population(
    program: str, truth: float, options: dict[str, object]
) -> None:
    a, each = populations(program, resample="multinomial()", **options)
    weights, ancestors = (v.view(a.islands, -1) for v in a.lineages)
    rows = zip(each[:, None], weights, ancestors, a.resamplings[:, None], strict=True)
    found = torch.tensor(
        [math.nan if e is None else e for e, _ in (standard_errors.within(*row) for row in rows)]
    ).double()
    known = ~found.isnan()
    assert float(known.double().mean()) > 0.9
    near = (each - truth).abs() < 3 * found
    assert float(near[known].double().mean()) >= 0.95
    assert 1 / 1.5 < float(found[known].mean() / each.std()) < 1.5


@pytest.mark.slow
@pytest.mark.statistical
def test_the_variance_of_the_genealogy_is_unbiased() -> None:
    """Lee and Whiteley 2018, Theorem 1: populations of ten, resampled at every stage."""
    a, each = populations(
        "x ~ Normal(0, 1) * Normal(3, 0.5)",
        particles=40_000,
        islands=4000,
        steps=3,
        path="temper(base = Normal(0, 1))",
        resample="multinomial(when = always)",
        kernel="mala(adapt = false)",
    )
    z = each.exp()
    shares = standard_errors.family_shares(*(v.view(-1, 10) for v in a.lineages))
    guess = z.square() * standard_errors.relative_variance(shares, a.resamplings)
    gap = guess - (z - z.mean()).square()
    error = float(gap.std()) / len(z) ** 0.5
    assert abs(float(gap.mean())) < 3 * error
    assert error < 0.05 * float(z.var())


def test_without_resampling_it_is_the_variance_of_a_mean() -> None:
    weights = torch.rand(2, 50, dtype=torch.float64)
    shares = standard_errors.family_shares(weights.log(), torch.arange(100).view(2, 50))
    expected = weights.var(1) / 50 / weights.mean(1).square()
    torch.testing.assert_close(
        standard_errors.relative_variance(shares, torch.zeros(2).long()), expected
    )


def test_the_jackknife_is_the_spread_where_that_is_small() -> None:
    close = torch.tensor([0.01, -0.02, 0.015, 0.0, 0.005], dtype=torch.float64)
    assert standard_errors.between(close) == pytest.approx(float(close.std()) / 5**0.5, rel=0.02)
    one = torch.tensor([0.0, -math.inf, -math.inf, -math.inf])
    assert not math.isfinite(standard_errors.between(one))


@pytest.mark.slow
def test_where_there_is_none_the_reason_says_how_to_get_one() -> None:
    plan = poedsl.compile(WIDE).with_options(particles=200, steps=8, path=WIDER, kernel="mala()")
    systematic = plan.run(seed=0)
    assert systematic.log_evidence_se is None
    assert [r.code for r in systematic.evidence.reasons] == ["P1112"]
    collapsed = plan.run(seed=0, resample="multinomial(when = always)", steps=48)
    assert collapsed.log_evidence_se is None
    assert [r.code for r in collapsed.evidence.reasons] == ["P1113"]


@pytest.mark.slow
@pytest.mark.statistical
def test_a_run_that_never_resampled_needs_no_islands() -> None:
    result = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 2)").run(seed=0, particles=500)
    assert not any(s.resampled for s in result.stages)
    truth = -0.5 * math.log(2 * math.pi * 5) - 0.1
    assert result.log_evidence is not None and result.log_evidence_se is not None
    assert abs(result.log_evidence - truth) < 3 * result.log_evidence_se < 0.05


def test_one_exact_expert_has_no_error() -> None:
    result = poedsl.compile("x ~ Normal(0, 1)").run(seed=0, particles=500)
    assert result.log_evidence_se == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("memory", "variance"), [(1.0, 4.0), (0.0, 2.0), (-1.0, 2.0)])
def test_covariances_across_a_renewal_count(memory: float, variance: float) -> None:
    """Two changes of the weights, of unit variance and some correlation, with a renewal between:
    n Var(log Z) is that of their sum; a negative correlation is not relied on.
    """
    count = 20_000
    generator = torch.Generator().manual_seed(0)
    first, other = 0.05 * torch.randn(2, count, generator=generator, dtype=torch.float64)
    second = memory * first + math.sqrt(1 - memory**2) * other
    slots, even = torch.arange(count), torch.zeros(1, count, dtype=torch.float64)
    kept = torch.randperm(count, generator=generator)
    segments = EvidenceContributions.start(slots, even).weighted(even, first[None]).copied(kept)
    segments = segments.renewed(slots).weighted(even, second[kept][None])
    found = count * float(segments.relative_variances) / 0.05**2
    assert found == pytest.approx(variance, rel=0.05)
