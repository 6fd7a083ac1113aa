"""Exponents that differ between components: fields of scores without a density."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import poedsl
from poedsl.experts.user import registry as user
from poedsl.experts.user.registry import Registry
from poedsl.runtime.run import Run
from tests.diagnostics import quoted, refused, warning_data
from tests.runtime.helpers import moments

PROGRAM = "input m : Mask\nx : Image[1, 2, 3]\nx ~ Normal(0, 1)^(1 - m) * Normal(1, 0.5)^m"
MASK = [[0.0, 0.25, 0.5], [0.75, 1.0, 0.5]]


@pytest.mark.statistical
def test_a_constant_vector_as_exponent() -> None:
    text = "x : Real[2]\nx ~ Normal(0, 1)^[0.8, 0.2] * Normal(3, 1)^[0.2, 0.8]"
    result = poedsl.compile(text).run(seed=0, particles=4000)
    mean = (result.log_weights.exp()[:, None] * result.particles["x"]).sum(0)
    assert torch.allclose(mean, torch.tensor([0.6, 2.4], dtype=mean.dtype), atol=0.1)
    assert not result.warnings


@pytest.mark.slow
def test_each_component_has_its_own_exponents() -> None:
    """At the end the kernel has been at the product of every component by itself."""
    plan = poedsl.compile(PROGRAM).bind(m=MASK)
    result = plan.run(particles=4000, steps=60, kernel="langevin(steps = 12, step_size = 0.55)")
    m = np.array(MASK).flatten()
    precision = (1 - m) + 4 * m
    np.testing.assert_allclose(moments(result)[0].numpy(), 4 * m / precision, atol=0.06)
    np.testing.assert_allclose(moments(result)[1].numpy(), 1 / precision, rtol=0.15)
    assert result.log_evidence is None
    assert [data["factor"] for data in warning_data(result, "P1102")] == ["Normal"]
    assert result.exponents == {}
    assert not result.warnings


def test_exponents_are_summed_at_each_component() -> None:
    job = Run(poedsl.compile(PROGRAM).bind(m=MASK).spec)
    assert job.target.exponents.tolist() == [1]
    assert not job.target.has_density
    doubled = poedsl.compile(PROGRAM + " * Normal(0, 1)^(2 * m)").bind(m=MASK)
    expected = 1 + 2 * torch.tensor(MASK).flatten()
    torch.testing.assert_close(Run(doubled.spec).target.exponents, expected)


def test_a_mask_of_frames_holds_for_all_channels() -> None:
    program = "input m : Mask[2, 1, 2]\nx : Video[2, 3, 1, 2]\nx ~ Normal(0, 1)\nx ~ Normal(0, 1)^m"
    m = torch.tensor([[[0.0, 1.0]], [[0.5, 0.25]]])
    job = Run(poedsl.compile(program).bind(m=m).spec)
    expected = 1 + m[:, None].expand(2, 3, 1, 2).flatten()
    torch.testing.assert_close(job.target.exponents, expected)


def test_a_mask_on_a_part() -> None:
    program = (
        "input m : Mask[1, 2]\nx : Image[1, 1, 4]\nx ~ Normal(0, 1)\n"
        "x[box(0.5, 0, 1, 1)] ~ Normal(0, 1)^m"
    )
    job = Run(poedsl.compile(program).bind(m=[[0.5, 0.25]]).spec)
    assert job.target.exponents.tolist() == [1, 1, 1.5, 1.25]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_mask_that_is_the_same_everywhere_is_reported(value: float) -> None:
    program = "input m : Mask\nx : Image[1, 2, 2]\nx ~ Normal(0, 1) * Normal(0, 1)^m"
    plan = poedsl.compile(program).bind(m=torch.full((2, 2), value))
    (warning,) = plan.run(particles=4, steps=3).warnings
    assert warning.code == "P1010"
    assert warning.data == {"factor": "Normal_2", "place": "<string>:3:20", "value": value}


def test_components_without_exponents_are_counted() -> None:
    program = "input m : Mask\nx : Image[1, 2, 2]\nx ~ Normal(0, 1)^m"
    plan = poedsl.compile(program).bind(m=[[1, 0], [1, 0]])
    with refused("P0407") as errors:
        plan.run(particles=4, steps=3)
    assert {"x[0, 0, 1]", "Normal"} <= quoted(errors[0])


def test_a_mask_of_another_shape_is_reported() -> None:
    program = "input m : Mask\nx : Image[1, 2, 2]\nx ~ Normal(0, 1)^m"
    with refused("P0603"):
        poedsl.compile(program).bind(m=torch.ones(3, 3)).run(particles=4)


OPENING = "input m : Mask\nx : Image[1, 2, 2]\n"


@pytest.mark.parametrize(
    ("program", "named"),
    [
        ("x ~ Normal(0, 1) * Normal(0, 1)^m", "Normal_2"),
        ("x ~ Normal(0, 1) * Normal(0, 1)^(1 - m)", "Normal_2"),
        ("x ~ Normal(0, 1) * exp(-covered(m))", "covered"),
        ("x ~ Normal(0, 1) * exp(-covered(1 - m))", "covered"),
        ("x ~ Normal(0, 1) * exp(-mean(m * x))", "m"),
    ],
)
@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_constant_mask_of_any_factor_is_reported(
    monkeypatch: pytest.MonkeyPatch, program: str, named: str, value: float
) -> None:
    monkeypatch.setattr(user, "REGISTRY", Registry())

    @poedsl.reward
    def covered(x: poedsl.Image, m: poedsl.Mask) -> float:  # type: ignore[valid-type]
        return (x * m).flatten(1).mean(1)

    plan = poedsl.compile(OPENING + program).bind(m=torch.full((2, 2), value))
    warned = [w for w in plan.run(particles=8, steps=3).warnings if w.code == "P1010"]
    assert len(warned) == 1
    assert named in " ".join(quoted(warned[0]))
    mixed = plan.bind(m=[[0, 1], [1, 0]]).run(particles=8, steps=3)
    assert "P1010" not in [w.code for w in mixed.warnings]
