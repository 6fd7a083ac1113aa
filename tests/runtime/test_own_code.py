"""Experts, rewards and sources that a program brings along, in runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import poedsl
from tests.compiler.programs import ROOT
from tests.diagnostics import refused
from tests.runtime.helpers import moments

CODE = """
import math
import poedsl
import torch


@poedsl.expert
def bell(x: poedsl.Real, loc: float, scale: float = 1.0):
    return -0.5 * ((x - loc) / scale) ** 2 - math.log(scale) - 0.5 * math.log(2 * math.pi)


@poedsl.expert
class Flow:
    def __init__(self, mean: float):
        self.mean = mean

    def score(self, x: poedsl.Real[2], alpha, sigma):
        return -(x - alpha * self.mean) / (4 * alpha**2 + sigma**2)


@poedsl.expert
class Painter:
    def __init__(self, prompt: str, depth: poedsl.Depth | None = None):
        self.mean = 0.1 * len(prompt) if depth is None else 2 * depth - 1

    def velocity(self, x: poedsl.Image[1, None, None], s):
        away = x - (1 - s) * self.mean
        spread = 0.04 * (1 - s) ** 2 + s**2
        return s / spread * away - self.mean - 0.04 * (1 - s) / spread * away


@poedsl.reward
def praise(x: poedsl.Image[1, None, None], prompt: str):
    return x.mean((1, 2, 3)) * len(prompt)


@poedsl.reward(gradient=True)
def tall(x: poedsl.Real[2], amount: float = 1.0):
    return amount * x.sum(-1)


@poedsl.reward
def steep(x: poedsl.Real[2]):
    with torch.enable_grad():
        point = x.detach().requires_grad_()
        (slope,) = torch.autograd.grad((point**2).sum() / 4, point)
    return slope.sum(-1)


@poedsl.source
def centre(n: int) -> poedsl.Record(at=poedsl.Real[2], text=poedsl.Text):
    return {"at": torch.tensor([1.0 * n, 2.0]), "text": "hello"}


@poedsl.source
def parts(text: str) -> poedsl.Layout:
    return [{"box": [0, 0, 0.5, 1], "text": text}, {"box": [0.5, 0, 1, 1], "text": "b"}]
"""


def run(folder: Path, name: str, program: str, **options: Any) -> poedsl.Result:
    (folder / "own.py").write_text(CODE, encoding="utf-8")
    file = folder / "program.poe"
    file.write_text(f'use {name} from "own.py:{name}"\n{program}\n', encoding="utf-8")
    return poedsl.compile(file).run(particles=4000, **{"allow_code": True, **options})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "program", "mean", "variance"),
    [
        ("bell", "x ~ Normal(0, 2)\nx ~ bell(1, scale = 0.5)", [4 / 4.25], [1 / 4.25]),
        ("Flow", "x : Real[2]\nx ~ Flow(3)\nx ~ Normal(0, 1)", [0.6, 0.6], [0.8, 0.8]),
        ("tall", "x : Real[2]\nx ~ Normal(0, 1) * exp(tall(0.5))", [0.5, 0.5], [1, 1]),
        ("steep", "x : Real[2]\nx ~ Normal(0, 1) * exp(steep())", [0.5, 0.5], [1, 1]),
        (
            "centre",
            "let c = centre(3)\nx : Real[2]\nx ~ Normal(c.at, 1)^(1 / length(c.text))",
            [3, 2],
            [5, 5],
        ),
        (
            "centre",
            "x : Real[2]\nx ~ Normal(0, 1) * exp(-0.5 * sum((x - centre(3).at)^2))",
            [1.5, 1],
            [0.5, 0.5],
        ),
        (
            "parts",
            'input t : Text = "abc"\nx : Image[1, 1, 2]\nx ~ Normal(0, 1)\n'
            "for part in parts(t):\n    x[part.box] ~ Normal(length(part.text), 1)",
            [1.5, 0.5],
            [0.5, 0.5],
        ),
    ],
)
def test_products_with_a_program_s_own_code(
    tmp_path: Path, name: str, program: str, mean: list[float], variance: list[float]
) -> None:
    found, spread = moments(run(tmp_path, name, program))
    np.testing.assert_allclose(found.numpy(), mean, atol=0.08 * max(variance) ** 0.5)
    np.testing.assert_allclose(spread.numpy(), variance, rtol=0.12)


def test_code_runs_only_with_leave(tmp_path: Path) -> None:
    with refused("P0707"):
        run(tmp_path, "bell", "x ~ Normal(0, 2)\nx ~ bell(1)", allow_code=False)


def test_own_densities_are_around_constants(tmp_path: Path) -> None:
    with refused("P0312"):
        run(tmp_path, "bell", "y ~ Normal(0, 1)\nx ~ Normal(0, 2)\nx ~ bell(y)")


LAYOUT = """
use praise from "own.py:praise"
input depth  : Depth
input layout : Layout
x : Image[1, 8, 8]
x ~ Painter("four") * exp(praise("four"))
for part in layout:
    x[part.box] ~ Painter(part.text, crop(depth, part.box)) * exp(praise(part.text)) given x
sample x by anneal(particles = 8, steps = 12, normalize_exponents = true)
"""


def test_a_layout_whose_parts_have_experts_and_rewards_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(CODE, encoding="utf-8")
    file = tmp_path / "layout.poe"
    file.write_text(f'use Painter from "own.py:Painter"{LAYOUT}', encoding="utf-8")
    layout = [{"box": [0, 0, 0.5, 1], "text": "a"}, {"box": [0.25, 0.5, 1, 1], "text": "bb"}]
    depth = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    plan = poedsl.compile(file, allow_code=True).bind(layout=layout, depth=depth)
    result = plan.run()
    assert result.outcome.ok
    assert set(result.calls) == {
        *("Painter", "Painter_2[0]", "Painter_2[1]"),
        *("praise", "praise_2[0]", "praise_2[1]"),
    }
    assert set(result.log_values) == {"praise", "praise_2[0]", "praise_2[1]"}
    assert result.particles["x"].shape == (8, 1, 8, 8)
    assert result.best_index == int(sum(result.log_values.values()).argmax())
    assert result.log_evidence is None


def test_a_folder_of_a_model_is_relative_to_the_program(tmp_path: Path) -> None:
    (tmp_path / "weights").symlink_to(ROOT / "models" / "digits")
    file = tmp_path / "program.poe"
    file.write_text('use mine from "weights"\nx ~ mine(3)^0.5 * digits(3)^0.5\n', encoding="utf-8")
    result = poedsl.compile(file).run(particles=2, steps=3)
    assert result.outcome.ok
    assert set(result.calls) == {"mine", "digits"}
