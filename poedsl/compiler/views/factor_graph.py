"""The factor graph of a plan: in Graphviz's language, and as a picture that needs no Graphviz.

In the picture variables stand in the middle, the experts on their left, what judges them on their
right, and what these are given outermost.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from statistics import mean
from textwrap import wrap
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from poedsl.compiler.plan.plan import ONE, Array, FactorSpec, Kind, PlanSpec, VariableSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, names
from poedsl.compiler.plan.text import print_term

#: Colours that colour-blind people can tell apart (Okabe and Ito), in the order of the picture.
COLORS: dict[Kind, str] = {
    "gaussian": "#0072b2",
    "density": "#56b4e9",
    "flow": "#009e73",
    "tokens": "#cc79a7",
    "reward": "#e69f00",
    "where": "#d55e00",
}


def _givens(plan: PlanSpec) -> dict[str, str]:
    """Inputs and constants by name, each with its type and its value as far as there is one."""
    values = {i.name: print_term(i.default) for i in plan.inputs if i.default is not None}
    for name, value in plan.bindings:
        values[name] = "an array" if isinstance(value, Array) else print_term(Const(value))
    inputs = {
        i.name: f"{i.type} = {values[i.name]}" if i.name in values else str(i.type)
        for i in plan.inputs
    }
    return inputs | {c.name: f"= {print_term(c.term)}" for c in plan.lets}


def _spoken(factor: FactorSpec) -> frozenset[str]:
    """The names that a factor speaks of."""
    terms = (factor.term, factor.exponent, factor.part, *(over for _, over in factor.loops))
    return frozenset[str]().union(*(names(t) for t in terms if t is not None))


def _terms(factor: FactorSpec) -> str:
    """On what part, with what exponent and given what a factor takes part; empty for the usual."""
    words = [] if factor.part is None else [f"on {print_term(factor.part)}"]
    words += [] if factor.exponent == ONE else [print_term(Apply("^", (Ref(""), factor.exponent)))]
    words += [f"given {factor.given}"] if factor.given else []
    return ", ".join(words)


def _lines(variable: VariableSpec) -> tuple[str, ...]:
    space = f"in {variable.space}" if variable.space else ""
    return tuple(filter(None, (variable.name, str(variable.type), space)))


def _plates(factors: Iterable[FactorSpec]) -> dict[str, list[FactorSpec]]:
    """The factors by the loops that they run over; first those that stand outside of all."""
    plates: dict[str, list[FactorSpec]] = {"": []}
    for f in factors:
        loops = ", ".join(f"for {name} in {print_term(over)}" for name, over in f.loops)
        plates.setdefault(loops, []).append(f)
    return plates


def _clean(text: str) -> str:
    """The text without characters that XML cannot hold or that nobody sees."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


def _cells(text: str) -> int:
    """The characters of a text, wide ones twice."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _elided(text: str, cells: int) -> str:
    """As much of a text as there is room for."""
    text = _clean(text)
    if _cells(text) <= cells:
        return text
    while _cells(text) >= cells:
        text = text[: min(len(text) - 1, cells)]
    return f"{text}…"


# Graphviz.

_ROOM = 40


def dot(plan: PlanSpec) -> str:
    """The factor graph in DOT: ellipses are variables, boxes factors, plain texts inputs."""
    return "\n".join(_dot(plan)) + "\n"


def _dot(plan: PlanSpec) -> Iterator[str]:
    yield f"graph {_quoted(plan.program)} {{"
    yield "    rankdir = LR"
    yield '    node [fontname = "Helvetica"]'
    yield '    edge [fontname = "Helvetica", fontsize = 10]'
    for name, about in _givens(plan).items():
        yield f"    {_node('input', name)}{_attributes((name, about), shape='plaintext')}"
    for v in plan.variables:
        yield f"    {_node('variable', v.name)}{_attributes(_lines(v), shape='ellipse')}"
    for number, (loops, factors) in enumerate(_plates(plan.factors).items()):
        nodes = [_factor_node(f) for f in factors]
        if loops:
            yield f"    subgraph cluster_{number} {{"
            yield f"        label = {_quoted(_elided(loops, _ROOM))}"
            yield from (f"        {node}" for node in nodes)
            yield "    }"
        else:
            yield from (f"    {node}" for node in nodes)
    yield from (f"    {edge}" for edge in _edges(plan))
    yield "}"


def _factor_node(f: FactorSpec) -> str:
    lines = (f.name, f.kind, print_term(f.term))
    return f"{_node('factor', f.name)}{_attributes(lines, shape='box', color=COLORS[f.kind])}"


def _edges(plan: PlanSpec) -> Iterator[str]:
    givens = _givens(plan)
    ends = [(names(c.term), _node("input", c.name)) for c in plan.lets]
    ends += [(_spoken(f), _node("factor", f.name)) for f in plan.factors]
    for spoken, end in ends:
        for name in (n for n in givens if n in spoken):
            yield f'{_node("input", name)} -- {end} [color = "gray"]'
    for f in plan.factors:
        own, *others = (_node("variable", v) for v in f.variables)
        style = {"style": "dashed"} if f.given else {}
        yield f"{_node('factor', f.name)} -- {own}{_attributes((_terms(f),), **style)}"
        for other in others:
            yield f"{_node('factor', f.name)} -- {other}"


def _node(what: str, name: str) -> str:
    return _quoted(f"{what} {name}")


def _attributes(lines: Iterable[str], **more: str) -> str:
    """Lines of text as a label, as a tooltip too where they are cut, and other attributes."""
    lines = tuple(filter(None, lines))
    shown = tuple(_elided(line, _ROOM) for line in lines)
    given = {"label": _label(shown)} if lines else {}
    given |= {"tooltip": _label(lines)} if shown != lines else {}
    given |= {name: _quoted(value) for name, value in more.items()}
    listed = ", ".join(f"{name} = {value}" for name, value in given.items())
    return f" [{listed}]" if listed else ""


def _label(lines: Iterable[str]) -> str:
    """Lines of text as one string: in DOT a line ends with a backslash and an n."""
    return '"' + "\\n".join(_quoted(line)[1:-1] for line in lines) + '"'


def _quoted(text: str) -> str:
    escaped = _clean(text).replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


# The picture.

#: The most factors on one side of the variables when none stand on the other.
_MOST = 4
#: Pixels: small and bold characters and a line of them; what is around boxes and between them; how
#: wide columns are; how far a constant's arcs reach out.
_SMALL, _BOLD, _LINE = 7, 8, 17
_PAD, _GAP, _MARGIN, _TOP, _PLATE = 8, 14, 24, 72, 22
_INPUT, _WIRE, _FACTOR, _SPAN, _ARC = 200, 70, 310, 100, 30

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


@dataclass(slots=True)
class _Box:
    """A variable, a factor or an input: what there is to say, what it shows, where it stands."""

    about: tuple[str, ...]
    lines: tuple[str, ...]
    width: float
    x: float = 0
    y: float = 0

    @property
    def height(self) -> float:
        return len(self.lines) * _LINE + 2 * _PAD

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def center(self) -> float:
        return self.x + self.width / 2


_Boxes = dict[str, _Box]


@dataclass(slots=True)
class _Side:
    """The factors on one side of the variables, and what they are given."""

    title: str
    factors: list[FactorSpec]
    boxes: _Boxes
    inputs: _Boxes


def svg(plan: PlanSpec) -> str:
    """The factor graph as a picture, for light and dark pages."""
    left, right = (_side(plan, title, factors) for title, factors in _split(plan.factors))
    variables = {v.name: _variable(v) for v in plan.variables}
    _stack(variables.values(), gap=4 * _GAP)
    columns = [("inputs", left.inputs), (left.title, left.boxes), ("variables", variables)]
    columns += [(right.title, right.boxes), ("inputs", right.inputs)]
    columns = [(title, boxes) for title, boxes in columns if boxes]
    bottoms = [max(b.y + b.height for b in boxes.values()) for _, boxes in columns]
    for (_, boxes), bottom in zip(columns, bottoms, strict=True):
        for box in boxes.values():
            box.y += _TOP + (max(bottoms) - bottom) / 2
    titles, width = _beside(columns, _ARC if plan.lets else 0)
    root = _page(plan.program, titles, width, _TOP + max(bottoms) + _MARGIN)
    for side, outward in ((left, -1), (right, 1)):
        _draw(root, plan, side, variables, outward)
    for v in plan.variables:
        _ellipse(root, variables[v.name])
    indent(root)
    return tostring(root, encoding="unicode") + "\n"


def _split(factors: tuple[FactorSpec, ...]) -> list[tuple[str, list[FactorSpec]]]:
    """What stands on the left and on the right, with a title."""
    experts = [f for f in factors if f.kind not in ("reward", "where")]
    judges = [f for f in factors if f.kind in ("reward", "where")]
    titled = [("experts", experts), ("rewards and conditions", judges)]
    if experts and judges:
        return titled
    title, alone = titled[0] if experts else titled[1]
    half = len(alone) if len(alone) <= _MOST else (len(alone) + 1) // 2
    return [(title, alone[:half]), (title, alone[half:])]


# Where everything stands.


def _variable(v: VariableSpec) -> _Box:
    lines = _lines(v)
    return _Box(lines, lines, 60 + _BOLD * max(map(_cells, lines)))


def _expert(f: FactorSpec) -> _Box:
    term, more = print_term(f.term), [_terms(f)] if _terms(f) else []
    shown = wrap(
        term, int((_FACTOR - 26) / _SMALL), max_lines=2, placeholder="…", break_on_hyphens=False
    )
    return _Box((f.name, term, *more), (f.name, *shown, *more), _FACTOR)


def _side(plan: PlanSpec, title: str, factors: list[FactorSpec]) -> _Side:
    """One side, its factors and its inputs each below each other from zero."""
    kinds = list(COLORS)
    boxes: _Boxes = {}
    y = 0.0
    for loops, group in _plates(sorted(factors, key=lambda f: kinds.index(f.kind))).items():
        inside = {f.name: _expert(f) for f in group}
        y = _stack(inside.values(), y + (_PLATE if loops else 0)) + (_GAP if loops else 0)
        boxes |= inside
    named = {f.name: f for f in factors}
    return _Side(title, [named[name] for name in boxes], boxes, _inputs(plan, factors, boxes))


def _inputs(plan: PlanSpec, factors: list[FactorSpec], boxes: _Boxes) -> _Boxes:
    """What factors are given, at best beside them; constants with what they are made of."""
    heights: dict[str, list[float]] = {}
    for f in factors:
        spoken = set(_spoken(f))
        for let in reversed(plan.lets):
            spoken |= names(let.term) if let.name in spoken else set()
        for name in spoken:
            heights.setdefault(name, []).append(boxes[f.name].middle)
    given = {n: about for n, about in _givens(plan).items() if n in heights}
    lines = {n: (n, given[n]) for n in sorted(given, key=lambda n: mean(heights[n]))}
    inputs = {n: _Box(both, both, _INPUT) for n, both in lines.items()}
    _stack(inputs.values())
    return inputs


def _stack(boxes: Iterable[_Box], y: float = 0, gap: float = _GAP) -> float:
    """Puts boxes below each other; where the next would stand."""
    for box in boxes:
        box.y = y
        y += box.height + gap
    return y


def _beside(columns: list[tuple[str, _Boxes]], arc: float) -> tuple[list[tuple[float, str]], float]:
    """Puts columns beside each other; where each has its title, and the width of all."""
    x = _MARGIN + arc
    titles: list[tuple[float, str]] = []
    for title, boxes in columns:
        if titles:
            x += _WIRE if "inputs" in (title, titles[-1][1]) else _SPAN
        width = max(b.width for b in boxes.values())
        for box in boxes.values():
            box.x = x + (width - box.width) / 2
        titles.append((x + width / 2, title))
        x += width
    return titles, x + arc + _MARGIN


# Strokes and words.


def _page(program: str, titles: list[tuple[float, str]], width: float, height: float) -> Element:
    size = {"width": f"{width:.0f}", "height": f"{height:.0f}"}
    box = f"0 0 {size['width']} {size['height']}"
    root = Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "viewBox": box, **size, "class": "poe-graph"}
    )
    SubElement(root, "title").text = f"The factors of {_clean(program)}"
    SubElement(root, "style").text = _STYLE
    SubElement(root, "rect", {"class": "paper", **size})
    room = int((width - 2 * _MARGIN) / _BOLD)
    _text(root, "name", _MARGIN, 30, _elided(program, room))
    for x, title in titles:
        _text(root, "small quiet", x, 56, title, "middle")
    return root


def _draw(root: Element, plan: PlanSpec, side: _Side, variables: _Boxes, outward: int) -> None:
    """A side: its plates, what connects, then what is connected."""
    for loops, factors in _plates(side.factors).items():
        if loops:
            _plate(root, loops, [side.boxes[f.name] for f in factors])
    for let in plan.lets:
        made_of = names(let.term) & side.inputs.keys() if let.name in side.inputs else ()
        for name in sorted(made_of):
            _arc(root, side.inputs[name], side.inputs[let.name], outward)
    for f in side.factors:
        box = side.boxes[f.name]
        for name in sorted(_spoken(f) & side.inputs.keys()):
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


def _factor(root: Element, f: FactorSpec, box: _Box) -> None:
    group = _group(root, box)
    shape = _rectangle(group, "shape", box, radius=4)
    shape.set("style", f"stroke: {COLORS[f.kind]}")
    bar = SubElement(group, "rect", _place(box.x, box.y, 7, box.height))
    bar.set("style", f"fill: {COLORS[f.kind]}")
    _text(group, "small quiet", box.x + box.width - 10, box.y + 21, f.kind, "end")
    room = int((box.width - 40 - _SMALL * len(f.kind)) / _BOLD)
    _text(group, "name", box.x + 16, box.y + 21, _elided(f.name, room))
    for number in range(1, len(box.lines)):
        _text(group, "small", box.x + 16, box.y + 21 + number * _LINE, _fitted(box, number))


def _ellipse(root: Element, box: _Box) -> None:
    group = _group(root, box)
    radii = {"rx": f"{box.width / 2:.1f}", "ry": f"{box.height / 2:.1f}"}
    middle = {"cx": f"{box.center:.1f}", "cy": f"{box.middle:.1f}"}
    SubElement(group, "ellipse", {"class": "shape variable", **middle, **radii})
    for number, line in enumerate(box.lines):
        style = "small quiet" if number else "name"
        _text(group, style, box.center, box.y + 21 + number * _LINE, _clean(line), "middle")


def _plate(root: Element, loops: str, boxes: list[_Box]) -> None:
    first, last = boxes[0], boxes[-1]
    height = last.y + last.height - first.y + _PLATE + 10
    around = _Box((loops,), (loops,), first.width + 20, first.x - 10, first.y - _PLATE)
    group = _group(root, around)
    place = _place(around.x, around.y, around.width, height)
    SubElement(group, "rect", {"class": "plate", "rx": "8", **place})
    _text(group, "small quiet", around.x + 12, around.y + 15, _fitted(around, 0))


def _wire(root: Element, style: str, start: _Box, end: _Box) -> None:
    """A curve between the sides of two boxes that face each other."""
    a, b = start, end
    x, to = (a.x + a.width, b.x) if a.x < b.x else (a.x, b.x + b.width)
    half = (x + to) / 2
    path = f"M{x:.1f} {a.middle:.1f}C{half:.1f} {a.middle:.1f} {half:.1f} {b.middle:.1f} "
    SubElement(root, "path", {"class": style, "d": path + f"{to:.1f} {b.middle:.1f}"})


def _arc(root: Element, start: _Box, end: _Box, outward: int) -> None:
    """A curve between the outer sides of two boxes of one column."""
    x = start.x + (start.width if outward > 0 else 0)
    out = x + outward * _ARC * 4 / 3
    path = f"M{x:.1f} {start.middle:.1f}C{out:.1f} {start.middle:.1f} {out:.1f} {end.middle:.1f} "
    SubElement(root, "path", {"class": "wire source", "d": path + f"{x:.1f} {end.middle:.1f}"})


def _group(root: Element, box: _Box) -> Element:
    """Where a box is drawn, with all that it says as a tooltip."""
    group = SubElement(root, "g")
    SubElement(group, "title").text = "\n".join(map(_clean, box.about))
    return group


def _rectangle(group: Element, style: str, box: _Box, radius: float) -> Element:
    place = _place(box.x, box.y, box.width, box.height)
    return SubElement(group, "rect", {"class": style, "rx": f"{radius:g}", **place})


def _place(x: float, y: float, width: float, height: float) -> dict[str, str]:
    sizes = {"x": x, "y": y, "width": width, "height": height}
    return {name: f"{size:.1f}" for name, size in sizes.items()}


def _fitted(box: _Box, number: int) -> str:
    return _elided(box.lines[number], int((box.width - 26) / (_SMALL if number else _BOLD)))


def _text(group: Element, style: str, x: float, y: float, text: str, anchor: str = "") -> None:
    where = {"class": style, "x": f"{x:.1f}", "y": f"{y:.1f}"}
    SubElement(group, "text", where | ({"text-anchor": anchor} if anchor else {})).text = text
