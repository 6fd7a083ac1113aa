"""The factor graph of a plan as an SVG picture, drawn without Graphviz."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import names
from poedsl.compiler.views.graph_labels import (
    COLORS,
    factors_by_loops,
    names_in_factor,
    printable,
    shortened,
)
from poedsl.compiler.views.picture_layout import (
    ARC_REACH,
    BOLD_WIDTH,
    GAP,
    LINE_HEIGHT,
    MARGIN,
    PLATE_TOP,
    SMALL_WIDTH,
    TOP,
    DrawnBox,
    DrawnBoxes,
    Side,
    lay_out_side,
    left_and_right,
    place_columns,
    stack_boxes,
    variable_box,
)

_STYLE = """\
.poe-graph { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace }
.poe-graph text { fill: #1f2328 }
.poe-graph .small { font-size: 11px }
.poe-graph .name { font-size: 13px; font-weight: bold }
.poe-graph .quiet { fill: #59636e }
.poe-graph .paper { fill: #ffffff }
.poe-graph .shape { fill: #ffffff; stroke: #59636e; stroke-width: 1.2 }
.poe-graph .variable { stroke: #1f2328; stroke-width: 2 }
.poe-graph .wire { fill: none; stroke: #59636e; stroke-width: 1.5 }
.poe-graph .source { stroke: #afb8c1; stroke-width: 1 }
.poe-graph .given { stroke-dasharray: 6 4 }
.poe-graph .plate { fill: none; stroke: #afb8c1; stroke-width: 1.2 }
@media (prefers-color-scheme: dark) {
.poe-graph text { fill: #e6edf3 }
.poe-graph .quiet { fill: #9198a1 }
.poe-graph .paper { fill: #0d1117 }
.poe-graph .shape { fill: #161b22; stroke: #9198a1 }
.poe-graph .variable { stroke: #e6edf3 }
.poe-graph .wire { stroke: #9198a1 }
.poe-graph .source, .poe-graph .plate { stroke: #4b535d }
}
"""


def svg(plan: PlanSpec) -> str:
    """The factor graph as a picture, for light and dark pages."""
    left, right = (
        lay_out_side(plan, title, factors) for title, factors in left_and_right(plan.factors)
    )
    variables = {v.name: variable_box(v) for v in plan.variables}
    stack_boxes(variables.values(), gap=4 * GAP)
    columns = [("inputs", left.inputs), (left.title, left.boxes), ("variables", variables)]
    columns += [(right.title, right.boxes), ("inputs", right.inputs)]
    columns = [(title, boxes) for title, boxes in columns if boxes]
    bottoms = [max(b.y + b.height for b in boxes.values()) for _, boxes in columns]
    for (_, boxes), bottom in zip(columns, bottoms, strict=True):
        for box in boxes.values():
            box.y += TOP + (max(bottoms) - bottom) / 2
    titles, width = place_columns(columns, ARC_REACH if plan.lets else 0)
    root = _page(plan.program, titles, width, TOP + max(bottoms) + MARGIN)
    for side, outward in ((left, -1), (right, 1)):
        _draw(root, plan, side, variables, outward)
    for v in plan.variables:
        _ellipse(root, variables[v.name])
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _page(program: str, titles: list[tuple[float, str]], width: float, height: float) -> Element:
    size = {"width": f"{width:.0f}", "height": f"{height:.0f}"}
    box = f"0 0 {size['width']} {size['height']}"
    root = Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": box, **size, "class": "poe-graph"}
    )
    SubElement(root, "title").text = f"The factors of {printable(program)}"
    SubElement(root, "style").text = _STYLE
    SubElement(root, "rect", {"class": "paper", **size})
    room = int((width - 2 * MARGIN) / BOLD_WIDTH)
    _text(root, "name", MARGIN, 30, shortened(program, room))
    for x, title in titles:
        _text(root, "small quiet", x, 56, title, "middle")
    return root


def _draw(root: Element, plan: PlanSpec, side: Side, variables: DrawnBoxes, outward: int) -> None:
    """A side: its plates, what connects, then what is connected."""
    for loops, factors in factors_by_loops(side.factors).items():
        if loops:
            _plate(root, loops, [side.boxes[f.name] for f in factors])
    for let in plan.lets:
        made_of = names(let.term) & side.inputs.keys() if let.name in side.inputs else ()
        for name in sorted(made_of):
            _arc(root, side.inputs[name], side.inputs[let.name], outward)
    for f in side.factors:
        box = side.boxes[f.name]
        for name in sorted(names_in_factor(f) & side.inputs.keys()):
            _wire(root, "wire source", side.inputs[name], box)
        for name in f.variables:
            style = "wire given" if f.given and name == f.variables[0] else "wire"
            _wire(root, style, box, variables[name])
    for box in side.inputs.values():
        group = _group(root, box)
        _rectangle(group, "shape source", box, radius=box.height / 2)
        _text(group, "name", box.center, box.y + 21, _fitted(box, 0), "middle")
        _text(group, "small quiet", box.center, box.y + 37, _fitted(box, 1), "middle")
    for f in side.factors:
        _factor(root, f, side.boxes[f.name])


def _factor(root: Element, f: FactorSpec, box: DrawnBox) -> None:
    group = _group(root, box)
    shape = _rectangle(group, "shape", box, radius=4)
    shape.set("style", f"stroke: {COLORS[f.kind]}")
    bar = SubElement(group, "rect", _place(box.x, box.y, 7, box.height))
    bar.set("style", f"fill: {COLORS[f.kind]}")
    _text(group, "small quiet", box.x + box.width - 10, box.y + 21, f.kind, "end")
    room = int((box.width - 40 - SMALL_WIDTH * len(f.kind)) / BOLD_WIDTH)
    _text(group, "name", box.x + 16, box.y + 21, shortened(f.name, room))
    for number in range(1, len(box.lines)):
        _text(group, "small", box.x + 16, box.y + 21 + number * LINE_HEIGHT, _fitted(box, number))


def _ellipse(root: Element, box: DrawnBox) -> None:
    group = _group(root, box)
    radii = {"rx": f"{box.width / 2:.1f}", "ry": f"{box.height / 2:.1f}"}
    middle = {"cx": f"{box.center:.1f}", "cy": f"{box.middle:.1f}"}
    SubElement(group, "ellipse", {"class": "shape variable", **middle, **radii})
    for number, line in enumerate(box.lines):
        style = "small quiet" if number else "name"
        _text(
            group, style, box.center, box.y + 21 + number * LINE_HEIGHT, printable(line), "middle"
        )


def _plate(root: Element, loops: str, boxes: list[DrawnBox]) -> None:
    first, last = boxes[0], boxes[-1]
    height = last.y + last.height - first.y + PLATE_TOP + 10
    around = DrawnBox((loops,), (loops,), first.width + 20, first.x - 10, first.y - PLATE_TOP)
    group = _group(root, around)
    place = _place(around.x, around.y, around.width, height)
    SubElement(group, "rect", {"class": "plate", "rx": "8", **place})
    _text(group, "small quiet", around.x + 12, around.y + 15, _fitted(around, 0))


def _wire(root: Element, style: str, start: DrawnBox, end: DrawnBox) -> None:
    """A curve between the sides of two boxes that face each other."""
    a, b = start, end
    x, to = (a.x + a.width, b.x) if a.x < b.x else (a.x, b.x + b.width)
    half = (x + to) / 2
    path = f"M{x:.1f} {a.middle:.1f}C{half:.1f} {a.middle:.1f} {half:.1f} {b.middle:.1f} "
    SubElement(root, "path", {"class": style, "d": path + f"{to:.1f} {b.middle:.1f}"})


def _arc(root: Element, start: DrawnBox, end: DrawnBox, outward: int) -> None:
    """A curve between the outer sides of two boxes of one column."""
    x = start.x + (start.width if outward > 0 else 0)
    out = x + outward * ARC_REACH * 4 / 3
    path = f"M{x:.1f} {start.middle:.1f}C{out:.1f} {start.middle:.1f} {out:.1f} {end.middle:.1f} "
    SubElement(root, "path", {"class": "wire source", "d": path + f"{x:.1f} {end.middle:.1f}"})


def _group(root: Element, box: DrawnBox) -> Element:
    """Where a box is drawn, with all that it says as a tooltip."""
    group = SubElement(root, "g")
    SubElement(group, "title").text = "\n".join(map(printable, box.about))
    return group


def _rectangle(group: Element, style: str, box: DrawnBox, radius: float) -> Element:
    place = _place(box.x, box.y, box.width, box.height)
    return SubElement(group, "rect", {"class": style, "rx": f"{radius:g}", **place})


def _place(x: float, y: float, width: float, height: float) -> dict[str, str]:
    sizes = {"x": x, "y": y, "width": width, "height": height}
    return {name: f"{size:.1f}" for name, size in sizes.items()}


def _fitted(box: DrawnBox, number: int) -> str:
    return shortened(
        box.lines[number], int((box.width - 26) / (SMALL_WIDTH if number else BOLD_WIDTH))
    )


def _text(group: Element, style: str, x: float, y: float, text: str, anchor: str = "") -> None:
    where = {"class": style, "x": f"{x:.1f}", "y": f"{y:.1f}"}
    SubElement(group, "text", where | ({"text-anchor": anchor} if anchor else {})).text = text
