"""Constants that depend on inputs, and loops over layouts."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import poedsl
from poedsl.experts.flows.unet import UNetFlow
from poedsl.runtime.run import Run
from tests.runtime.helpers import moments

LAYOUT = [{"box": [0, 0, 0.5, 1], "text": "low"}, {"box": [0.25, 0, 1, 1], "text": "high!"}]
LOOP = """
input layout : Layout
x : Image[1, 1, 4]
x ~ Normal(0, 1)
for part in layout:
    x[part.box] ~ Normal(length(part.text), 1) * exp(-0.5 * sum(x[part.box]^2))
"""


@pytest.mark.slow
def test_constants_of_inputs_are_evaluated_in_order() -> None:
    program = "input a : Real\nlet b = 2 * a\nlet c = [b, b + 1]\nx : Real[2]\nx ~ Normal(c, a)"
    result = poedsl.compile(program).bind(a=0.5).run(particles=4000)
    np.testing.assert_allclose(moments(result)[0].numpy(), [1, 2], atol=0.05)
    np.testing.assert_allclose(moments(result)[1].numpy(), [0.25, 0.25], rtol=0.1)


def test_constants_serve_models_and_exponents() -> None:
    program = "input k : Int\nlet j = k + 1\nlet w = 1 / j\nx ~ digits(j)^w"
    job = Run(poedsl.compile(program).bind(k=2).spec)
    (factor,) = job.target.experts
    assert isinstance(factor.expert, UNetFlow)
    assert factor.expert.label == 3
    assert factor.exponent == pytest.approx(1 / 3)


def test_a_constant_without_a_value_is_named() -> None:
    program = (
        "input mask : Mask\ninput r : Region\nlet cut = crop(mask, r)\n"
        "x ~ Normal(0, 1) * exp(-x^2 * sum(cut))"
    )
    plan = poedsl.compile(program).bind(mask=torch.ones(2, 2), r=[0.4, 0, 0.45, 1])
    with pytest.raises(poedsl.PoeError) as caught:
        plan.run(particles=4)
    (found,) = caught.value.diagnostics
    assert found.code == "P0603" and "`cut`" in found.message


@pytest.mark.slow
def test_a_loop_over_a_layout_makes_a_site_for_each_part() -> None:
    result = poedsl.compile(LOOP).bind(layout=LAYOUT).run(particles=4000)
    assert set(result.log_values) == {"Normal", "Normal_2[0]", "Normal_2[1]", "exp[0]", "exp[1]"}
    precision = np.array([3, 5, 3, 3])
    expected = np.array([3, 3 + 5, 5, 5]) / precision
    np.testing.assert_allclose(moments(result)[0].numpy(), expected, atol=0.06)
    np.testing.assert_allclose(moments(result)[1].numpy(), 1 / precision, rtol=0.12)
    rewards = result.log_values["exp[0]"] + result.log_values["exp[1]"]
    torch.testing.assert_close(result.scores, rewards.to(result.scores))


def test_a_layout_without_parts_leaves_the_rest() -> None:
    result = poedsl.compile(LOOP).bind(layout=[]).run(particles=100)
    assert set(result.log_values) == {"Normal"}


def test_an_error_in_a_loop_names_its_site() -> None:
    plan = poedsl.compile(LOOP).bind(layout=[{"box": [0, 0, 0.1, 1], "text": "thin"}])
    with pytest.raises(poedsl.PoeError) as caught:
        plan.run(particles=4)
    (found,) = caught.value.diagnostics
    assert found.code == "P0603"
    assert "`Normal_2[0]` at <string>:6:19" in found.notes[0]
