"""Runs in double precision: what single precision cannot hold, and what comes out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import poedsl
from poedsl.runtime.results.write_result import OutputFolder
from tests.runtime.helpers import moments

KINDS = ("float32", "float64")
SMALL = "x ~ Normal(0, 1) * exp(log(exp(-200 - x^2)))"
#: Programs of different kinds, and options.
PROGRAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "ode": ("x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 2)", {"move": "ode()"}),
    "fkc": (
        "x : Real[2]\nx ~ Normal(0, 1)^0.5 * Normal(1, 2)",
        {"move": "sde(control = true)", "correct": "fkc()", "kernel": "langevin()"},
    ),
    "mixture": (
        "x : Real[2]\nx ~ MultivariateNormal([0, 0], [[1, 0.5], [0.5, 1]]) * "
        "mixture(0.3: Normal(0, 1), 0.7: Normal(2, 0.5))",
        {},
    ),
    "base": (
        "x ~ StudentT(3, 0, 1) * where(x > 0)",
        {"path": "temper(base = mixture(0.5: Normal(0, 3), 0.5: Laplace(0, 1)))"},
    ),
    "supports": ("a ~ Gamma(2, 1)\np : Real[3]\np ~ Dirichlet([1, 2, 3]) * exp(-a * p[0])", {}),
    "hierarchy": ("s ~ HalfNormal(3)\nx : Real[2]\nx ~ Normal(0, s) * exp(-sum((x - 1)^2))", {}),
    "flow": ("x ~ checkerboard(3)", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_every_number_of_a_run_is_in_double_precision(name: str) -> None:
    program, options = PROGRAMS[name]
    result = poedsl.compile(program).run(
        dtype=torch.float64, **{"particles": 32, "steps": 4, **options}
    )
    kinds = {v.dtype for v in [*result.particles.values(), *result.log_values.values()]}
    assert kinds == {torch.float64} and result.log_weights.dtype == torch.float64
    assert result.outcome.ok


@pytest.mark.statistical
def test_a_log_density_below_the_range_of_single_precision() -> None:
    """exp(-200) is 0 in single precision; the evidence is exp(-200) / sqrt(3)."""
    plan = poedsl.compile(SMALL)
    assert not plan.run(seed=0, particles=1000, dtype="float32").outcome.ok
    result = plan.run(seed=0, particles=1000, dtype="float64")
    assert result.log_evidence == pytest.approx(-200 - 0.5 * math.log(3), abs=0.1)
    assert float(moments(result)[1]) == pytest.approx(1 / 3, rel=0.2)


@pytest.mark.statistical
def test_values_that_single_precision_cannot_tell_apart() -> None:
    plan = poedsl.compile("x ~ Normal(1e6, 0.01)")
    single = plan.run(seed=0, particles=1000)
    double = plan.run(seed=0, particles=1000, dtype="float64")
    assert len(single.particles["x"].unique()) < 10
    assert float(moments(double)[1].sqrt()) == pytest.approx(0.01, rel=0.1)


@pytest.mark.slow
def test_both_precisions_agree() -> None:
    """The random numbers are the same, up to rounding."""
    plan = poedsl.compile("x : Real[2]\nx ~ Normal(0, 1) * Normal(1, 2)")
    single, double = (plan.run(seed=3, move="ode()", kernel="none", dtype=d) for d in KINDS)
    x = double.particles["x"]
    torch.testing.assert_close(single.particles["x"].double(), x, rtol=1e-3, atol=1e-3)
    assert single.log_evidence == pytest.approx(double.log_evidence, abs=1e-4)


@pytest.mark.slow
def test_results_are_saved_in_double_precision(tmp_path: Path) -> None:
    result = poedsl.compile(SMALL).run(particles=16, steps=3, dtype="float64")
    OutputFolder(tmp_path, "{}").finish(result)
    saved = load_file(tmp_path / "particles.safetensors")["x"]
    assert torch.equal(saved, result.particles["x"])


def test_streams_are_in_double_precision() -> None:
    views = list(poedsl.compile("x ~ Normal(0, 1)").stream(particles=8, steps=2, dtype="float64"))
    assert {view.particles["x"].dtype for view in views} == {torch.float64}


@pytest.mark.parametrize("dtype", ["float16", torch.bfloat16, "double", None])
def test_other_types_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="`dtype`"):
        poedsl.compile("x ~ Normal(0, 1)").run(dtype=dtype)
