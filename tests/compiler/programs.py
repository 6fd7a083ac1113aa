"""Programs that compile, for tests of plans."""

from __future__ import annotations

from pathlib import Path

from poedsl.compiler.compile import Compiled, compile_source
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.grammar.source import Source

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "programs").glob("*.poe"))

#: The smallest complete program.
ONE_LINER = "x ~ flux_depth(depth) * flux_fill(mask) * exp(vqascore(prompt))\n"

#: Programs over what the language has, by what is special about them.
OTHERS = {
    "one_liner": ONE_LINER,
    "two_masks": "x ~ flux_fill(mask1) * flux_fill(mask2)\n",
    "covariance": "x : Real[2]\nx ~ MultivariateNormal([0, 0], [[1, 0.5], [0.5, 1]])\n",
    "precision": "x : Real[2]\nx ~ MultivariateNormal(0, precision_matrix = [[2, 0], [0, 1]])\n",
    "scale_tril": "x : Real[2]\nx ~ MultivariateNormal(0, scale_tril = [[1, 0], [-0.5, 1]])\n",
    "inputs": (
        "input s : Real = 1\ninput w : Real = 0.5\nlet t = 2 * s\n"
        "x ~ mixture(0.3: Normal(t, 1), 0.7: Normal(-t, s)) ^ w\n"
    ),
    "parts": (
        "x : Real[4]\nx ~ Normal(0, 1) * exp(-sum(x[:2]^2) - x[-1]) "
        "* where(x[0] < x[1] and not x[2] > 1)\n"
    ),
    "box": "let half = box(0, 0, 0.5, 1)\nx ~ digits() * exp(sum(x[half]))\n",
    "text": 'input caption : Text = "a \\"cat\\"\\n\\t\\\\"\nx ~ flux(caption, model = "a b")\n',
    "two_variables": (
        "x ~ Normal(0, 1)\ny : Real[2]\ny ~ Normal(0, 1) * exp(-(x - y[0])^2)\n"
        "sample x, y by anneal(particles = 64, steps = 8, normalize_exponents = true)\n"
    ),
    "options": (
        "x ~ Normal(0, 1) * Normal(1, 1)\n"
        "sample x by anneal(move = sde(noise = 1), kernel = mala(steps = 2, adapt = false), "
        "steps = 9, correct = fkc(clip = none), resample = systematic(when = at(9, 5, 1)), "
        "keep = all())\n"
    ),
    "tiny_numbers": "x ~ Normal(1e-300, 1e-7) * Normal(-1.5e22, 100000000000000000000)\n",
    "words_of_plans": (
        "input mask : Real = 1\ninput on : Real = 2\ninput at : Real = 3\n"
        "x ~ Normal(at, 1) ^ (mask * 2) * exp(on + x)\n"
    ),
    "whole_language": (
        "input m : Mask\ninput layout : Layout\nexpert both(p) = flux(p) ^ m\n"
        'x : Image[3, 64, 64]\nx ~ both("a \\"b\\"")\nfor part in layout:\n'
        "    x[part.box] ~ flux(part.text) * exp(2 * vqascore(part.text)) given x\n"
    ),
    "heavy_tails": "x ~ Normal(0, 1) * StudentT(3) * mixture(Laplace(0, 1), Normal(0, 1))\n",
}


def compiled(text: str, *, strict: bool = False) -> Compiled:
    return compile_source(Source(text, "example.poe"), strict=strict)


def planned(text: str) -> PlanSpec:
    made = compiled(text)
    assert made.plan is not None, made.diagnostics
    return made.plan


def codes(text: str, *, strict: bool = False) -> list[str]:
    """The codes of errors and warnings, in order."""
    found = compiled(text, strict=strict).diagnostics
    return [d.code for d in found if d.severity != "note"]


def every_plan() -> dict[str, PlanSpec]:
    """The plans of the programs in the repository and of the others."""
    files = {f.stem: f.read_text(encoding="utf-8") for f in FILES}
    plans = {}
    for name, text in {**files, **OTHERS}.items():
        made = compile_source(Source(text, f"programs/{name}.poe"))
        assert made.plan is not None, (name, made.diagnostics)
        plans[name] = made.plan
    return plans
