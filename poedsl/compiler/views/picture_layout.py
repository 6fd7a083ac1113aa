"""Where everything stands in the picture of a factor graph.

Variables are in the middle, experts on their left, rewards and conditions on their right, and the
inputs of these outermost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import mean
from textwrap import wrap

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import WEIGHING, FactorSpec, VariableSpec
from poedsl.compiler.plan.terms import names
from poedsl.compiler.plan.text import print_term
from poedsl.compiler.views.graph_labels import (
    COLORS,
    display_width,
    factor_qualifiers,
    factors_by_loops,
    input_labels,
    names_in_factor,
    variable_labels,
)

#: The most factors on one side of the variables when none stand on the other.
_MOST_ON_ONE_SIDE = 4


#: Width of a small character, in pixels.
SMALL_WIDTH = 7
#: Width of a bold character.
BOLD_WIDTH = 8
#: Height of a line of text.
LINE_HEIGHT = 17
#: Inside of a box, around its text.
PADDING = 8
#: Between boxes of a column.
GAP = 14
#: Around the picture.
MARGIN = 24
#: Above the columns, for the titles.
TOP = 72
#: Above the boxes of a plate, for its label.
PLATE_TOP = 22
#: Width of the box of an input.
INPUT_WIDTH = 200
#: Between the column of inputs and that of factors.
WIRE_LENGTH = 70
#: Width of the box of a factor.
FACTOR_WIDTH = 310
#: Between the column of factors and that of variables.
SPAN = 100
#: How far the arcs between constants reach out.
ARC_REACH = 30


@dataclass(slots=True)
class DrawnBox:
    """A variable, a factor or an input: what there is to say, what it shows, where it stands."""

    about: tuple[str, ...]
    lines: tuple[str, ...]
    width: float
    x: float = 0
    y: float = 0

    @property
    def height(self) -> float:
        return len(self.lines) * LINE_HEIGHT + 2 * PADDING

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def center(self) -> float:
        return self.x + self.width / 2


DrawnBoxes = dict[str, DrawnBox]


@dataclass(slots=True)
class Side:
    """The factors on one side of the variables, and what they are given."""

    title: str
    factors: list[FactorSpec]
    boxes: DrawnBoxes
    inputs: DrawnBoxes


def left_and_right(factors: tuple[FactorSpec, ...]) -> list[tuple[str, list[FactorSpec]]]:
    """The factors of the left and of the right side, each with a title."""
    experts = [f for f in factors if f.kind not in WEIGHING]
    rewards = [f for f in factors if f.kind in WEIGHING]
    observed = any(f.kind == "likelihood" for f in rewards)
    title = "data, rewards and conditions" if observed else "rewards and conditions"
    titled = [("experts", experts), (title, rewards)]
    if experts and rewards:
        return titled
    title, alone = titled[0] if experts else titled[1]
    half = len(alone) if len(alone) <= _MOST_ON_ONE_SIDE else (len(alone) + 1) // 2
    return [(title, alone[:half]), (title, alone[half:])]


def variable_box(v: VariableSpec) -> DrawnBox:
    lines = variable_labels(v)
    return DrawnBox(lines, lines, 60 + BOLD_WIDTH * max(map(display_width, lines)))


def factor_box(f: FactorSpec) -> DrawnBox:
    term, more = print_term(f.term), [factor_qualifiers(f)] if factor_qualifiers(f) else []
    shown = wrap(
        term,
        int((FACTOR_WIDTH - 26) / SMALL_WIDTH),
        max_lines=2,
        placeholder="…",
        break_on_hyphens=False,
    )
    return DrawnBox((f.name, term, *more), (f.name, *shown, *more), FACTOR_WIDTH)


def lay_out_side(plan: PlanSpec, title: str, factors: list[FactorSpec]) -> Side:
    """One side: a column of its factors and one of their inputs, from the top at zero."""
    kinds = list(COLORS)
    boxes: DrawnBoxes = {}
    y = 0.0
    for loops, group in factors_by_loops(
        sorted(factors, key=lambda f: kinds.index(f.kind))
    ).items():
        inside = {f.name: factor_box(f) for f in group}
        y = stack_boxes(inside.values(), y + (PLATE_TOP if loops else 0)) + (GAP if loops else 0)
        boxes |= inside
    named = {f.name: f for f in factors}
    return Side(title, [named[name] for name in boxes], boxes, input_boxes(plan, factors, boxes))


def input_boxes(plan: PlanSpec, factors: list[FactorSpec], boxes: DrawnBoxes) -> DrawnBoxes:
    """The inputs of factors, as close to them as possible, those of constants included."""
    heights: dict[str, list[float]] = {}
    for f in factors:
        names_used = set(names_in_factor(f))
        for let in reversed(plan.lets):
            names_used |= names(let.term) if let.name in names_used else set()
        for name in names_used:
            heights.setdefault(name, []).append(boxes[f.name].middle)
    labels = {n: about for n, about in input_labels(plan).items() if n in heights}
    lines = {n: (n, labels[n]) for n in sorted(labels, key=lambda n: mean(heights[n]))}
    inputs = {n: DrawnBox(both, both, INPUT_WIDTH) for n, both in lines.items()}
    stack_boxes(inputs.values())
    return inputs


def stack_boxes(boxes: Iterable[DrawnBox], y: float = 0, gap: float = GAP) -> float:
    """Place boxes below each other; returns the place of the next."""
    for box in boxes:
        box.y = y
        y += box.height + gap
    return y


def place_columns(
    columns: list[tuple[str, DrawnBoxes]], arc: float
) -> tuple[list[tuple[float, str]], float]:
    """Place columns side by side; returns the place of each title, and the whole width."""
    x = MARGIN + arc
    titles: list[tuple[float, str]] = []
    for title, boxes in columns:
        if titles:
            x += WIRE_LENGTH if "inputs" in (title, titles[-1][1]) else SPAN
        width = max(b.width for b in boxes.values())
        for box in boxes.values():
            box.x = x + (width - box.width) / 2
        titles.append((x + width / 2, title))
        x += width
    return titles, x + arc + MARGIN
