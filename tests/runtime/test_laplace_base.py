"""What a tempered path starts from where modes are found."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.runtime.build.ancestral_prior import Prior
from poedsl.runtime.build.laplace_base import GaussianBase, LaplaceBase
from poedsl.runtime.build.mode_search import Modes
from poedsl.runtime.build.non_centred_base import NonCentredBase
from poedsl.runtime.build.prepare import prepare_tempering
from poedsl.runtime.core.random_numbers import Noise
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.kernels.non_centred import NonCentred
from poedsl.runtime.results.verdict import Verdict
from poedsl.runtime.targets.tempering import TemperedTarget
from tests.runtime.helpers import default_base

CPU = torch.device("cpu")
FAR = "x ~ Normal(0, 1) * exp(-400 * log(1 + ((x - 30) / 0.1)^2))"


def test_draws_of_the_mixture_have_its_density() -> None:
    """A grid sums to one, and as many draws are in a half plane as the grid says."""
    loc = torch.tensor([[-3.0, 0.0], [2.0, 2.0]], dtype=torch.float64)
    factor = torch.tensor([[[1.0, 0.0], [0.4, 0.3]], [[0.5, 0.0], [0.0, 0.6]]]).double()
    modes = Modes(loc, factor, torch.tensor([0.0, 1.0], dtype=torch.float64))
    mixture = LaplaceBase(GaussianBase(2), 0.2, modes)
    axis = torch.linspace(-20, 20, 801, dtype=torch.float64)
    grid = torch.cartesian_prod(axis, axis)
    mass = mixture.log_density(grid).exp() * 0.05**2
    assert float(mass.sum()) == pytest.approx(1, abs=1e-3)
    drawn = mixture.first(Noise(0, 1, 40_000, CPU, dtype=torch.float64), 1)
    for normal, offset in (((-1, 0), 2), ((0, 1), 2.5), ((1, 1), 1)):
        direction = torch.tensor(normal, dtype=torch.float64)
        expected = float(mass[grid @ direction > offset].sum())
        found = float((drawn @ direction > offset).double().mean())
        assert found == pytest.approx(expected, abs=0.012)


@pytest.mark.statistical
def test_a_mode_far_from_the_prior() -> None:
    made = default_base(FAR)
    assert isinstance(made, LaplaceBase)
    assert made.modes.loc[0].item() == pytest.approx(30, abs=0.1)
    # The reward is a Student's t density of spread 0.0035, over which the prior is log-linear.
    mass = math.log(0.1 * math.sqrt(math.pi)) + math.lgamma(399.5) - math.lgamma(400)
    prior = -450 - 0.5 * math.log(2 * math.pi) + (30 * 0.1) ** 2 / 1600
    result = poedsl.compile(FAR).run(seed=1)
    assert result.log_evidence == pytest.approx(mass + prior, abs=0.05)
    assert result.verdict is Verdict.RELIABLE


@pytest.mark.slow
@pytest.mark.statistical
def test_the_mode_of_three_hundred_components() -> None:
    """Independent ones, whose evidence is that of one by quadrature, three hundred times."""
    text = "x : Real[300]\nx ~ Normal(0, 2) * exp(sum(x) - 3 * sum(softplus(x)))"
    x = torch.linspace(-30, 30, 100_001, dtype=torch.float64)
    one = torch.exp(-x.square() / 8 + x - 3 * torch.nn.functional.softplus(x))
    truth = 300 * math.log(float(torch.trapezoid(one, x)) / math.sqrt(8 * math.pi))
    result = poedsl.compile(text).run(seed=0, particles=250)
    error = result.log_evidence_se
    assert error is not None and error < 0.15
    assert result.log_evidence == pytest.approx(truth, abs=4 * error)
    assert len(result.stages) < 20


@pytest.mark.slow
@pytest.mark.statistical
def test_modes_of_a_mixture_far_apart() -> None:
    """Each with its share, whatever lies between."""
    text = "x ~ mixture(0.3: Normal(-40, 0.1), 0.7: Normal(25, 3)) * exp(0 * sin(x))"
    result = poedsl.compile(text).run(seed=0)
    assert result.log_evidence == pytest.approx(0, abs=0.05)
    left = float((result.log_weights.exp() * (result.particles["x"].flatten() < 0)).sum())
    assert left == pytest.approx(0.3, abs=0.04)


@pytest.mark.slow
def test_no_modes_beside_what_is_drawn_from_exactly() -> None:
    made = default_base("v ~ Normal(0, 3)\nx : Real[9]\nx ~ Normal(0, exp(v / 2))")
    assert isinstance(made, Prior)


@pytest.mark.slow
def test_nor_where_there_are_kinks_alone() -> None:
    assert default_base("x ~ Laplace(0, 1) * exp(-3 * abs(x - 1))") is None


@pytest.mark.slow
def test_the_search_is_counted() -> None:
    plan = poedsl.compile(FAR)
    one, more = (plan.run(seed=0, particles=n).calls for n in (500, 1000))
    assert one.keys() == more.keys()
    assert all(one[name] > 500 for name in one)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(
    ("rare", "apart", "scale"),
    [(3e-4, 5, 0.5), (0.01, 10, 0.1), (1e-6, 10, 0.1), (1e-5, 100, 0.1)],
)
def test_modes_count_by_what_conditions_leave_of_them(
    rare: float, apart: float, scale: float
) -> None:
    """Of two modes the one that is allowed has little mass."""
    parts = f"{1 - rare}: Normal(-{apart}, {scale}), {rare}: Normal({apart}, {scale})"
    result = poedsl.compile(f"x ~ mixture({parts}) * where(x > 0)").run(seed=0)
    assert result.log_evidence == pytest.approx(math.log(rare), abs=0.06)
    assert result.verdict is Verdict.RELIABLE


FAILING = """import poedsl

@poedsl.reward(gradient=True)
def near_one(x: poedsl.Real[2]):
    if float(x.detach().abs().max()) > 50:
        raise ValueError("too far")
    return -50 * (x - 1).square().sum(-1)
"""


@pytest.mark.slow
@pytest.mark.statistical
def test_code_that_fails_far_out_ends_the_search_there_alone(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(FAILING, encoding="utf-8")
    file = tmp_path / "program.poe"
    file.write_text(
        'use near_one from "own.py:near_one"\nx : Real[2]\nx ~ Normal(0, 1) * exp(near_one())\n',
        encoding="utf-8",
    )
    result = poedsl.compile(file).run(seed=0, allow_code=True)
    assert result.log_evidence == pytest.approx(-100 / 101 - math.log(101), abs=0.1)
    assert len(result.stages) < 10


def test_a_restored_model_starts_from_the_modes_of_the_state() -> None:
    plan = poedsl.compile("x ~ Normal(0, 1) * exp(-8 * (x^2 - 4)^2)").bound().spec
    model = prepare_tempering(plan, RunSettings())
    base = model.target.base
    assert isinstance(base, LaplaceBase)
    moved = replace(base.modes, loc=base.modes.loc + 1)
    again = model.restored({"base": replace(base, modes=moved).state()})
    for target in (again.target, again.mutation.target, again.mutation.rewards.target):
        assert isinstance(target, TemperedTarget) and isinstance(target.base, LaplaceBase)
        assert torch.equal(target.base.modes.loc, moved.loc)
    assert model.target.base is base and again.target.calls is model.target.calls
    with pytest.raises(ValueError):
        GaussianBase(1).restored(base.state())
    with pytest.raises(KeyError):
        base.restored(GaussianBase(1).state())


def non_centred() -> NonCentred:
    """Coordinates of `s` and `x`, of which `s` is positive."""
    text = "s ~ HalfNormal(1)\nx ~ Normal(0, s) * exp(-x^4)"
    steps = prepare_tempering(poedsl.compile(text).bound().spec, RunSettings()).mutation.steps
    assert steps is not None and steps.non_centred is not None
    return steps.non_centred


def test_a_search_in_non_centred_coordinates_is_restored_too() -> None:
    loc = torch.tensor([[1.0, 2.0]], dtype=torch.float64)
    modes = Modes(loc, torch.eye(2, dtype=torch.float64)[None], torch.zeros(1).double())
    inside = LaplaceBase(GaussianBase(2), 0.5, modes)
    base = LaplaceBase(NonCentredBase(inside, non_centred()), 0.5, modes)
    moved = replace(inside, modes=replace(modes, loc=loc + 1))
    again = base.restored(replace(base, wide=replace(base.wide, inner=moved)).state())
    assert isinstance(again.wide, NonCentredBase) and isinstance(again.wide.inner, LaplaceBase)
    assert torch.equal(again.modes.loc, loc)
    assert torch.equal(again.wide.inner.modes.loc, loc + 1)


def test_the_density_of_a_base_in_non_centred_coordinates() -> None:
    """That of the draws before they change coordinates, over the determinant of the Jacobian."""
    base = NonCentredBase(GaussianBase(2), non_centred())
    noise = Noise(0, 1, 50, CPU, dtype=torch.float64)
    z = base.inner.first(noise, 0)
    jacobians = torch.stack(
        [
            torch.autograd.functional.jacobian(
                lambda row: base.coordinates.forward(row[None])[0][0], row
            )
            for row in z
        ]
    )
    expected = base.inner.log_density(z) - jacobians.slogdet().logabsdet
    torch.testing.assert_close(base.log_density(base.first(noise, 0)), expected)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize(("tilt", "height", "rate"), [(2.95, 22.2, 2.33), (-2.0, 30.0, 1.9)])
def test_modes_beside_those_that_the_first_search_finds(
    tilt: float, height: float, rate: float
) -> None:
    """Of a lattice far out; the first search ends in a third of the mass or less."""
    x = torch.linspace(-60, 60, 1_000_001, dtype=torch.float64)
    logs = torch.distributions.Normal(-0.653, 2.36).log_prob(x) + tilt * x
    logs = logs - height * (rate * x).cos()
    truth = 2 * (float(logs.logsumexp(0)) + math.log(120 / 1_000_000))
    text = (
        "x : Real[2]\nx ~ Normal(-0.653, 2.36)\n"
        f"x ~ exp({tilt} * sum(x) - {height} * sum(cos({rate} * x)))"
    )
    result = poedsl.compile(text).run(seed=1)
    assert result.log_evidence == pytest.approx(truth, abs=0.08)


@pytest.mark.slow
def test_too_many_modes_leave_the_wide_base_and_its_verdict() -> None:
    """Six hundred modes of much mass: from the first that were found the result looked reliable."""
    text = (
        "x : Real[4]\nx ~ Normal(-0.653, 2.36)\nx ~ exp(2.95 * sum(x) - 22.2 * sum(cos(2.33 * x)))"
    )
    result = poedsl.compile(text).run(seed=1, particles=300)
    assert result.verdict is Verdict.DOUBTFUL
