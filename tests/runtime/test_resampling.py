"""Resampling and effective sample sizes, at their edges too."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

import poedsl
from poedsl.runtime.smc.resampling_schemes import (
    SCHEMES,
    along_kd_tree,
    effective_sample_size,
    systematic,
    tophalf,
)
from tests.diagnostics import warning_data
from tests.runtime.helpers import moments


def uniforms(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 1, 1, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("seed", range(5))
def test_systematic_copies_by_weight_rounded_up_or_down(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    log_weights = torch.randn(3, 50, generator=generator, dtype=torch.float64)
    chosen = systematic(log_weights, torch.rand(3, 1, generator=generator, dtype=torch.float64))
    expected = 50 * torch.softmax(log_weights, -1)
    for row, wanted in zip(chosen, expected, strict=True):
        copies = torch.bincount(row, minlength=50)
        assert (copies >= wanted.floor()).all() and (copies <= wanted.ceil()).all()


def test_systematic_is_unbiased() -> None:
    log_weights = torch.tensor([[0.5, 0.25, 0.15, 0.1]]).log().double()
    uniforms = (torch.arange(1000) + 0.5) / 1000
    copies = sum(
        torch.bincount(systematic(log_weights, u[None, None])[0], minlength=4) for u in uniforms
    )
    torch.testing.assert_close(copies / 1000, torch.tensor([2.0, 1.0, 0.6, 0.4]), atol=2e-3, rtol=0)


def test_weight_zero_is_never_drawn() -> None:
    log_weights = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).double()
    for u in (1e-12, 0.5, 1 - 1e-12):
        chosen = systematic(log_weights, torch.tensor([[u]], dtype=torch.float64))
        assert set(chosen.flatten().tolist()) <= {1, 3}


@pytest.mark.parametrize("count", [1, 2, 3, 8, 1000])
@pytest.mark.parametrize("scale", [0.0, 1e-20, 1e12])
def test_an_order_holds_every_point_once(count: int, scale: float) -> None:
    points = scale * torch.randn(count, 3, generator=torch.Generator().manual_seed(0)).double()
    assert along_kd_tree(points[None]).sort().values.tolist() == [list(range(count))]


def test_an_order_leads_from_neighbour_to_neighbour() -> None:
    """In the unit square n points lie 1 / sqrt(n) apart; in any other units, as near."""
    points = torch.rand(1000, 2, generator=torch.Generator().manual_seed(0)).double()
    for shift, unit in ((0.0, 1.0), (1e6, 1e-3)):
        (order,) = along_kd_tree((shift + points * torch.tensor([1.0, unit]))[None])
        steps = points[order].diff(dim=0).norm(dim=1)
        assert float(steps.mean()) < 2 / 1000**0.5


def test_an_order_is_by_ranks() -> None:
    points = torch.randn(3, 1000, 2, generator=torch.Generator().manual_seed(0)).double()
    others = torch.stack([points[..., 0].sinh(), 7 * points[..., 1]], -1)
    assert torch.equal(along_kd_tree(points), along_kd_tree(others))
    for each, order in zip(points, along_kd_tree(points), strict=True):
        assert torch.equal(along_kd_tree(each[None])[0], order)


@pytest.mark.slow
def test_draws_of_a_result_come_evenly_from_all_regions() -> None:
    """Whatever wide variables stand beside; what has no weight is not drawn."""
    text = "x : Real[2]\nx ~ Normal(0, 1)\ny : Real[100]\ny ~ Normal(0, 1)\nz ~ Normal(0, 1)"
    result = poedsl.compile(text).run(particles=500, steps=2)
    weights = 0.3 * torch.randn(500, generator=torch.Generator().manual_seed(0)).double()
    weights[::5] = -math.inf
    result = replace(result, log_weights=weights.log_softmax(0))
    x = torch.cat([result.particles["x"], result.particles["z"][:, None]], 1).double()
    exact = result.log_weights.exp() @ x
    draws = [result.sample(500, seed=seed) for seed in range(200)]
    means = [torch.cat([d["x"], d["z"][:, None]], 1).double().mean(0) for d in draws]
    plain = [x[systematic(result.log_weights[None], u, 500)[0]].mean(0) for u in uniforms(200)]
    error, without = (float((torch.stack(m) - exact).square().mean()) for m in (means, plain))
    assert error < 0.5 * without
    dead = set(map(tuple, result.particles["x"][::5].tolist()))
    assert not dead & set(map(tuple, draws[0]["x"].tolist()))


def test_draws_along_an_order_leave_less_noise() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 2, generator=generator).double()
    log_weights = 0.3 * torch.randn(500, generator=generator).double()

    def error(order: torch.Tensor) -> float:
        exact = (torch.softmax(log_weights, 0)[:, None] * x).sum(0)
        drawn = [order[systematic(log_weights[order][None], u)[0]] for u in uniforms(400)]
        return float(torch.stack([x[index].mean(0) - exact for index in drawn]).square().mean())

    assert error(along_kd_tree(x[None])[0]) < 0.5 * error(torch.arange(500))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_population_without_weight_does_not_stop_the_others(scheme: str) -> None:
    rows = torch.tensor([[-math.inf] * 3, [-math.inf, 0.0, -math.inf]]).double()
    chosen = SCHEMES[scheme](rows, torch.full((2, 3), 0.5).double())
    assert chosen.shape == (2, 3)
    assert chosen[1].tolist() == [1, 1, 1]


def test_effective_sample_sizes() -> None:
    rows = torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0] + [-math.inf] * 3, [-math.inf] * 4])
    torch.testing.assert_close(effective_sample_size(rows), torch.tensor([4.0, 1.0, 0.0]).double())
    assert float(effective_sample_size(torch.tensor([1000.0, 1000.0]))) == pytest.approx(2)


@pytest.mark.parametrize("count", [2, 3, 5, 16, 1000])
@pytest.mark.parametrize("level", [0.0, -1234.5, 1e12])
def test_of_equal_weights_all_count(count: int, level: float) -> None:
    weights = torch.full((count,), level, dtype=torch.float64)
    assert float(effective_sample_size(weights)) == count


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["multinomial", "systematic", "stratified", "residual"])
def test_schemes_copy_by_weight_on_average(scheme: str) -> None:
    shares = torch.tensor([0.5, 0.25, 0.15, 0.1, 0.0], dtype=torch.float64)
    uniforms = torch.rand(20_000, 5, generator=torch.Generator().manual_seed(0)).double()
    chosen = SCHEMES[scheme](shares.log().expand(20_000, 5), uniforms)
    assert chosen.shape == (20_000, 5)
    copies = torch.bincount(chosen.flatten(), minlength=5).double() / 20_000
    torch.testing.assert_close(copies, 5 * shares, atol=0.03, rtol=0)


def test_residual_and_systematic_give_whole_copies_for_sure() -> None:
    shares = torch.tensor([[0.5, 0.25, 0.25, 0.0]], dtype=torch.float64).log()
    for scheme in ("residual", "systematic"):
        for u in (0.01, 0.5, 0.99):
            uniforms = torch.full((1, 4), u, dtype=torch.float64)
            assert SCHEMES[scheme](shares, uniforms)[0].tolist() == [0, 0, 1, 2]


def test_the_top_half_is_doubled() -> None:
    log_weights = torch.tensor([[0.0, 3.0, 1.0, 2.0], [-math.inf, 1.0, -math.inf, -math.inf]])
    chosen = tophalf(log_weights, torch.zeros(2, 4))
    assert chosen.tolist() == [[1, 1, 3, 3], [1, 1, 1, 1]]
    assert tophalf(torch.tensor([[0.0, 2.0, 1.0]]), torch.zeros(1, 3)).tolist() == [[1, 1, 2]]


FAR = poedsl.compile("x ~ Normal(0, 1) * Normal(2, 1)").with_options(
    particles=10_000, steps=20, kernel="none", move="none()", correct="ais()"
)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("scheme", ["multinomial", "systematic", "stratified", "residual"])
@pytest.mark.parametrize("when", ["always", "ess < 0.5", "at(9, 3)"])
@pytest.mark.parametrize("islands", [1, 4])
def test_every_scheme_and_rule_leaves_the_target_alone(
    scheme: str, when: str, islands: int
) -> None:
    result = FAR.run(kernel="mala(steps = 1)", resample=f"{scheme}(when = {when})", islands=islands)
    mean, variance = moments(result)
    assert float(mean) == pytest.approx(1, abs=0.05)
    assert float(variance) == pytest.approx(0.5, rel=0.08)
    assert result.log_evidence == pytest.approx(-0.5 * math.log(4 * math.pi) - 1, abs=0.05)


@pytest.mark.slow
def test_rules_say_when() -> None:
    plan = poedsl.compile("x ~ mixture(Normal(-3, 0.3), Normal(3, 0.3)) * Normal(3, 1)")

    def run(when: str) -> poedsl.Result:
        options = {"path": "flow()", "resample": f"systematic(when = {when})"}
        return plan.run(particles=500, steps=20, **options)

    def stages(when: str) -> list[int]:
        return [s.t for s in run(when).stages if s.resampled]

    assert stages("always") == list(range(20, 0, -1))
    assert stages("at(9, 3)") == [9, 3]
    assert stages("ess < 0.000001") == []
    some = stages("ess < 0.95")
    assert 0 < len(some) < 20
    assert some == [s.t for s in run("ess < 0.95").stages if s.ess < 475]


SHARP = """x : Real[2]
x ~ (mixture(Normal([m, 0], [.1, 2]) for m in linspace(-3.5, 3.5, 8))
  * mixture(Normal([0, m], [2, .1]) for m in linspace(-3.5, 3.5, 8)))"""


@pytest.mark.slow
@pytest.mark.parametrize("islands", [1, 5])
def test_a_last_kernel_is_given_particles_of_one_weight(islands: int) -> None:
    """The evidence is that of the weights before; next to no draw comes twice."""
    plan = poedsl.compile(SHARP).with_options(particles=1000, islands=islands, steps=50)
    even, apart = plan.run(), plan.run(resample="none()")
    weights = even.log_weights.view(islands, -1)
    assert torch.equal(weights.amax(1), weights.amin(1))
    assert even.stages[-1].ess < 900 < even.ess
    assert len(even.sample(1000)["x"].unique(dim=0)) > 950 > 800
    assert len(apart.sample(1000)["x"].unique(dim=0)) < 800


@pytest.mark.slow
@pytest.mark.parametrize(
    "resample", ["systematic()", "multinomial()", "residual()", "stratified()"]
)
def test_drawing_evenly_changes_neither_evidence_nor_its_error(resample: str) -> None:
    """Below next to nothing none else are resampled: the runs differ in the last draw alone."""
    plan = poedsl.compile(SHARP).with_options(particles=1000, steps=50)
    rule = resample.replace("()", "(when = ess < 0.000001)")
    even, apart = plan.run(resample=rule), plan.run(resample="none()")
    assert even.ess > 999 > apart.ess
    assert even.log_evidence == pytest.approx(apart.log_evidence, abs=1e-9)
    assert even.log_evidence_se == pytest.approx(apart.log_evidence_se, abs=1e-12)
    assert even.eve_indices[-1].unique().numel() == even.stages[-1].unique_ancestors < 1000
    variance = even.stages[-1].weight_variance
    assert variance == pytest.approx(float(apart.log_weights.var(correction=0)))


@pytest.mark.slow
def test_slots_say_nothing_of_where_a_particle_is() -> None:
    plan = poedsl.compile("x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 2)")
    runs = [plan.run(particles=500, steps=20, seed=seed).particles["x"] for seed in range(20)]
    halves = torch.stack([x[:250].mean(0) - x[250:].mean(0) for x in runs])
    assert float(halves.square().mean().sqrt()) < 2 * 0.8**0.5 * (2 / 250) ** 0.5


@pytest.mark.slow
def test_an_uneven_end_takes_no_error_away() -> None:
    """Nothing but the last draw resamples; the particles outside are not among it."""
    result = poedsl.compile("x ~ Normal(0, 1) * Normal(1, 2) * where(x > -0.3)").run(seed=0)
    assert result.log_evidence_se is not None
    assert bool((result.particles["x"] > -0.3).all())
    assert bool(torch.isfinite(result.log_weights).all())


@pytest.mark.slow
def test_particles_are_not_drawn_evenly_where_nothing_moves_them_apart() -> None:
    plan = poedsl.compile(SHARP).with_options(particles=500, steps=50)
    for options in (
        {"kernel": "none"},
        {"kernel": "langevin(steps = 1)"},
        {"resample": "none()"},
        {"resample": "systematic(when = at(30, 20))"},
        {"resample": "tophalf(when = ess < 0.000001)"},
    ):
        assert plan.run(**options).ess < 499


def test_the_top_half_forfeits_the_evidence() -> None:
    result = FAR.run(particles=500, resample="tophalf(when = ess < 0.5)")
    assert result.log_evidence is None
    assert warning_data(result, "P1103") == [{"option": "resample", "form": "tophalf"}]
