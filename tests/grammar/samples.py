# ruff: noqa: E501
"""The programs of the language's description, and ways to read a text that has no errors."""

from __future__ import annotations

from typing import Any

from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.parsing.parser import parse, parse_expression
from poedsl.grammar.source import Source, Span

PROGRAMS = {
    "smallest": """\
x ~ flux_depth(depth) * flux_fill(mask) * exp(vqascore(prompt))
""",
    "gaussians": """\
# gaussians.poe : base-composed Gaussians (Soiffer et al., 5.1)
x : Real[2]
x ~ Normal([0, 0], [10^0.5, 1]) * Normal([0, 0], [1, 10^0.5]) / Normal([0, 0], [1.1^0.5, 1.1^0.5])
""",
    "crossing": """\
# crossing.poe : two eight-component mixtures, one along each axis (Zhang et al., E.1)
let c = linspace(-3.5, 3.5, 8)
x : Real[2]
x ~ mixture(Normal([m, 0], [0.35, 2.2]) for m in c) * mixture(Normal([0, m], [2.2, 0.35]) for m in c)
""",
    "circle": """\
# circle.poe : two generative experts and one that knows only inside from outside (project page)
x : Real[2]
x ~ Normal([-1, 0], 1) * Normal([0, 1], 0.8) * where(norm(x - [0.2, 0.4]) < 0.7)
""",
    "digits": """\
# digits.poe : finish a half-seen handwritten digit
input seen  : Image[1, 8, 8] = "inputs/digit.png"
input label : Int = 3
let half = box(0, 0, 0.5, 1)
x : Image[1, 8, 8]
x ~ digits() * exp(-100 * sum((x[half] - seen[half])^2)) * exp(4 * digit_score(label))
""",
    "checkerboard": """\
# checkerboard.poe : class-conditional sampling, guidance as a product (Zhang et al., G.2)
input column : Int = 4
x : Real[2]
x ~ checkerboard(column)^2 / checkerboard()
""",
    "rooms": """\
# rooms.poe : two concepts over a shared base (Soiffer et al., 5.3)
x ~ room("couch") * room("painting") / room("empty")
sample x by anneal(particles = 16, move = sde(), correct = fkc(), steps = 100)
""",
    "insert_object": """\
# insert_object.poe : a posed asset into a photograph (Zhang et al., 4.1)
input image : Image
input depth : Depth
input mask  : Mask
input prompt : Text = "a big coke can standing on the ground"
let m = blur(mask, 8)
x ~ flux_fill(mask) ^ (1 - m)
x ~ flux_depth(depth) ^ m given x
""",
    "layout": """\
# layout.poe : a prompt, boxes with their own prompts, a reward model (Zhang et al., 4.3, F.5)
input prompt : Text
input depth  : Depth
input layout : Layout
x : Image[3, 1024, 1024]
x ~ flux(prompt) * exp(vqascore(prompt))
for part in layout:
    x[part.box] ~ flux_depth(crop(depth, part.box), prompt = part.text) * exp(vqascore(part.text)) given x
sample x by anneal(
    particles = 8,
    steps = 28,
    normalize_exponents = true,
    potential = full(),
    resample = tophalf(when = at(21, 19, 1))
)
""",
    "ball": """\
# ball.poe : physics instructs video (Zhang et al., 4.2)
input image : Image
input prompt : Text
let sim = mujoco("ball.xml", frames = 81, size = [480, 832])
x : Video[81, 3, 480, 832]
x ~ wan_i2v(image)
x ~ wan_depth(sim.depth) ^ blur(sim.mask, 8) given x
""",
    "ball_sections": """\
# ball_sections.poe : the same, one section at a time (Zhang et al., 4.2, autoregressive experts)
let sim = mujoco("ball.xml", frames = 81, size = [512, 768])
x ~ framepack(image) * exp(-0.5 * sum((x - sim.rgb)^2))
sample x by anneal(path = prefix(), kernel = langevin(steps = 8))
""",
    "story": """\
# story.poe : two language models and a rule (autoregressive experts in the discrete case)
y : Tokens[24]
y ~ lm("model-a", "Once upon a time") * lm("model-b", "Once upon a time") ^ 0.5 * where(not contains(y, " sad"))
""",
    "regions": """\
x[box(0.1, 0.2, 0.6, 0.9)] ~ flux("a yellow horse") given x
x[0] ~ Normal(0, 1)
x[frames(0, 16)] ~ framepack(image)
""",
    "sampling": """\
sample x by anneal(
    particles = 16, steps = 28,  # L, and the number of moves (T - 1)
    path      = flow(),          # flow() | prefix() | temper() | chosen by the compiler
    move      = ode(),           # ode() | sde(noise = 1) | none()
    kernel    = langevin(steps = 1, step_size = 0.55),  # langevin | mala | hmc | unadjusted_hmc | random_walk | gibbs | none
    condition = guide(weight = 0.1, updates = 2),  # for `given`
    correct   = clip(),                            # fkc(clip = ...) | ais(): weights for the path itself
    potential = difference(),                      # full() | difference() | maximum() | sum()
    resample  = systematic(when = ess < 0.5),      # when = always | ess < c | at(21, 19, 1)
    start     = noise(),                           # noise() | invert(image)
    islands = 1,  # independent populations
    normalize_exponents = false,
    keep = best()  # best() | all() | weighted()
)
""",
    "statements": """\
use digits from "experts.py:digits"
expert pair(a, b : Real, c = 1, d : Image[3, _, _] = none,) = Normal(a, b) * exp(c)
expert empty() = flat()
input a : Real[2] = [1, 2]
let n = none
z : Category[10]
x ~ mixture(0.3: A, 0.7: B)
x ~ mixture(w[i]: Normal(i, 1) for i in range(3))
for i in [1, 2]:
    for j in range(i):
        x[i, j] ~ Normal(i, j)
    x[i, :] ~ pair(1, 2)

    # the end of the block
sample x, z by anneal()
""",
}


def program(text: str) -> tree.Program:
    """The tree of a text without errors."""
    found, diagnostics = parse(Source(text))
    assert diagnostics == ()
    return found


def statement(text: str) -> Any:
    (found,) = program(text).statements
    return found


def expression(text: str) -> Any:
    found, diagnostics = parse_expression(Source(text))
    assert diagnostics == ()
    return found


def complaints(text: str) -> tuple[Diagnostic, ...]:
    return parse(Source(text))[1]


def spans(d: Diagnostic) -> list[Span]:
    """Every place a diagnostic speaks of."""
    edits = [e.span for f in d.fixes for e in f.edits]
    return [d.span, *(label.span for label in d.labels), *edits]
