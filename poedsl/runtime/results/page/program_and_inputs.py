"""The program, the values of its inputs and the plan."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array, InputSpec
from poedsl.compiler.plan.terms import Const, Value
from poedsl.compiler.plan.text import declared_type, print_plan, print_term
from poedsl.compiler.views.picture import svg
from poedsl.grammar.box_geometry import as_box
from poedsl.runtime.results.page.embedded import address, picture, raster
from poedsl.runtime.results.page.markup import Numbers, block, esc, facts, listed, scrolling
from poedsl.runtime.results.page.plots import Plot, widened

#: The longer side of a picture, in pixels, and the numbers that are written out.
SIDE, WRITTEN = 160, 12
#: Programs with more factors have no graph on the page: it would be too small to read.
MOST_FACTORS = 24


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The program and the command that a run came from, beside its plan.

    Attributes:
        program: the text of the program in pieces, each with a class for its colour; empty where
            it is not known.
        command: what the user typed, if it was on a command line.
        options: the settings of the run in it, other than the usual ones.
    """

    program: tuple[tuple[str, str], ...] = ()
    command: str = ""
    options: str = ""


def program_and_inputs(plan: PlanSpec, request: RunRequest, numbers: Numbers) -> str:
    """The program, the inputs and the plan."""
    out = ""
    if request.program:
        out += f'<h3>Program</h3><pre class="program" tabindex="0">{_highlighted(request)}</pre>'
    if plan.inputs:
        out += f"<h3>Inputs</h3>{_inputs(plan)}"
    out += "<h3>Plan</h3>"
    if len(plan.factors) <= MOST_FACTORS:
        graph = address(svg(plan).encode(), "image/svg+xml")
        names = listed([f.name for f in plan.factors], 8)
        image = f'<img class="graph" src="{graph}" alt="{esc(f"factor graph: {names}")}">'
        caption = "The factors of the product and what they see."
        out += numbers.figure(scrolling(image, "Factor graph"), caption)
    text = block(print_plan(replace(plan, bindings=())).rstrip("\n"))
    return f'{out}<pre class="plan" tabindex="0">{text}</pre>'


def _highlighted(request: RunRequest) -> str:
    return "".join(
        f'<span class="{kind}">{block(text)}</span>' if kind else block(text)
        for kind, text in request.program
    )


def _inputs(plan: PlanSpec) -> str:
    values = dict(plan.bindings)
    items = (_input(plan, i, values.get(i.name)) for i in plan.inputs)
    return f'<ul class="inputs">{"".join(items)}</ul>'


def _input(plan: PlanSpec, spec: InputSpec, value: Value | Array | None) -> str:
    head = f"<h4><code>{esc(spec.name)}</code> : {esc(declared_type(spec, plan.sizes))}</h4>"
    return f"<li>{head}{_value(spec, value)}</li>"


def _value(spec: InputSpec, value: Value | Array | None) -> str:
    if isinstance(value, Array):
        return "".join(_array(spec, value))
    if value is None:
        shown = "not given" if spec.default is None else f"{print_term(spec.default)} (default)"
        return f"<p>{esc(shown)}</p>"
    if spec.type.name == "Layout" and isinstance(value, tuple):
        return _layout(value)
    if isinstance(value, str):
        return f"<blockquote>{esc(value)}</blockquote>"
    return f"<p>{esc(print_term(Const(value)))}</p>"


def _array(spec: InputSpec, array: Array) -> Iterator[str]:
    values = np.frombuffer(array.data, dtype=array.dtype).reshape(array.shape)
    size = " x ".join(map(str, array.shape))
    shown = _picture(spec.type.name, values)
    if shown:
        text = esc(f"the input {spec.name}")
        yield f'<img src="{shown}" alt="{text}" class="thumbnail"><p>{esc(size)}</p>'
        return
    flat = values.astype(float).ravel()
    if flat.size <= WRITTEN:
        yield f"<p>{esc(', '.join(f'{v:.6g}' for v in flat) or 'no numbers')}</p>"
        return
    yield facts(
        [
            ("numbers", size),
            ("mean, sd", f"{flat.mean():.4g}, {flat.std():.4g}"),
            ("from, to", f"{flat.min():.4g}, {flat.max():.4g}"),
        ]
    )
    heights, edges = np.histogram(flat[np.isfinite(flat)], bins=30)
    label = f"histogram of {spec.name}"
    plot = Plot(
        widened(edges), (0.0, 1.05 * max(1.0, float(heights.max()))), label, width=260, height=120
    )
    yield plot.bars(edges, heights).svg()


def _picture(kind: str, values: Any) -> str:
    """An array as a picture, by the type of its input; empty if it is none."""
    match kind, values.ndim:
        case "Image", 3:
            return picture(torch.from_numpy(values.copy()), SIDE)
        case "Video", 4:
            return picture(torch.from_numpy(values[len(values) // 2].copy()), SIDE)
        case (("Depth" | "Mask" | "Image"), 2):
            return raster(values, SIDE)
        case (("Depth" | "Mask"), 3):
            return raster(values[len(values) // 2], SIDE)
        case _:
            return ""


def _layout(parts: tuple[Any, ...]) -> str:
    """Boxes with what is in them, drawn in a square."""
    side = 240
    marks, rows = "", []
    for number, (sides, text) in enumerate(parts, 1):
        box = as_box(sides)
        if box is None:
            continue
        left, top, right, bottom = (side * s for s in box)
        marks += (
            f'<rect class="box" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{bottom - top:.1f}"/><text x="{left + 4:.1f}" y="{top + 14:.1f}">{number}'
            "</text>"
        )
        rows.append(f"<li>{esc(str(text))}</li>")
    label = f"{len(rows)} boxes"
    return (
        f'<svg class="plot" viewBox="0 0 {side} {side}" width="{side}" height="{side}" role="img" '
        f'aria-label="{label}"><rect class="page" width="{side}" height="{side}"/>{marks}</svg>'
        f"<ol>{''.join(rows)}</ol>"
    )
