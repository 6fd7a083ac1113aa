"""The factor graph: in DOT that Graphviz reads, and a picture in which nothing overlaps."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import combinations
from xml.etree import ElementTree

import pytest

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.views.graph_labels import COLORS
from poedsl.compiler.views.graphviz import dot
from poedsl.compiler.views.picture import svg
from tests.compiler.programs import ONE_LINER, every_plan, planned

ODD = 'x ~ flux("a \\"b\\" \\\\ <c> & d\\n\\t日本語 ' + "long " * 40 + '")\n'
LOOPS = (
    "input parts : Layout\nx ~ flux(prompt) ^ 2\nfor part in parts:\n"
    "    x[part.box] ~ flux(part.text) * exp(vqascore(part.text)) given x\n"
)
LETS = "input a : Real\nlet b = a + 1\nlet c = 2 * b\nx ~ Normal(c, 1) * exp(-a * x^2)\n"
MANY = "input s : Real\n" + "".join(f"x ~ Normal({i}, s) * StudentT({i + 3})\n" for i in range(15))
PLANS = every_plan() | {
    "odd": planned(ODD),
    "loops": planned(LOOPS),
    "lets": planned(LETS),
    "many": planned(MANY),
}
each = pytest.mark.parametrize("plan", PLANS.values(), ids=list(PLANS))

ID = r'"(?:[^"\\\n]|\\["\\])*"'
VALUE = r'(?:"(?:[^"\\\n]|\\["\\n])*"|[\w]+)'
LIST = rf"\[\w+ = {VALUE}(?:, \w+ = {VALUE})*\]"
STATEMENT = re.compile(
    rf"(?:{ID}(?: -- {ID})?(?: {LIST})?|(?:node|edge) {LIST}|\w+ = {VALUE}|subgraph \w+ \{{|\}})"
)


@each
def test_dot_is_of_its_grammar(plan: PlanSpec) -> None:
    first, *inner, last = dot(plan).splitlines()
    assert re.fullmatch(rf"graph {ID} \{{", first)
    assert last == "}"
    assert [line for line in inner if not STATEMENT.fullmatch(line.strip())] == []
    assert dot(plan).count("{\n") == len(re.findall(r"^ *\}$", dot(plan), re.MULTILINE))


@pytest.mark.skipif(shutil.which("dot") is None, reason="there is no Graphviz")
@each
def test_graphviz_reads_it(plan: PlanSpec) -> None:
    done = subprocess.run(["dot", "-Tplain"], input=dot(plan).encode(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


@each
def test_dot_names_only_nodes_that_it_declares(plan: PlanSpec) -> None:
    text = dot(plan)
    declared = set(re.findall(rf"^ +({ID})(?: \[|$)", text, re.MULTILINE))
    ends = {end for pair in re.findall(rf"({ID}) -- ({ID})", text) for end in pair}
    assert ends <= declared
    assert {f'"factor {f.name}"' for f in plan.factors} <= ends
    assert {f'"variable {v.name}"' for v in plan.variables} <= ends


def test_edges_tell_part_exponent_and_given() -> None:
    text = dot(planned(LOOPS))
    assert '"factor flux" -- "variable x" [label = "^2"]\n' in text
    conditioned = '"factor flux_2" -- "variable x" [label = "on x[part.box], given x", style'
    assert f'{conditioned} = "dashed"]\n' in text
    assert 'label = "for part in parts"\n        "factor flux_2" [' in text
    assert '"input parts" -- "factor flux_2" [color = "gray"]\n' in text


def test_constants_come_from_their_inputs() -> None:
    text = dot(planned(LETS))
    assert '"input a" -- "input b" [color = "gray"]\n' in text
    assert '"input b" -- "input c" [color = "gray"]\n' in text
    assert '"input c" -- "factor Normal" [color = "gray"]\n' in text
    assert '"input a" -- "factor Normal"' not in text


# The picture.

SVG = "{http://www.w3.org/2000/svg}"
Extent = tuple[float, float, float, float]


def numbers(element: ElementTree.Element, *names: str) -> list[float]:
    return [float(element.attrib[name]) for name in names]


def extents(root: ElementTree.Element) -> list[Extent]:
    """The boxes and ellipses; left, top, right, bottom."""
    out: list[Extent] = []
    for e in root.iter(f"{SVG}rect"):
        if "shape" in e.attrib.get("class", "").split():
            x, y, width, height = numbers(e, "x", "y", "width", "height")
            out.append((x, y, x + width, y + height))
    for e in root.iter(f"{SVG}ellipse"):
        x, y, rx, ry = numbers(e, "cx", "cy", "rx", "ry")
        out.append((x - rx, y - ry, x + rx, y + ry))
    return out


def apart(a: Extent, b: Extent) -> bool:
    return a[2] < b[0] or b[2] < a[0] or a[3] < b[1] or b[3] < a[1]


@each
def test_nothing_overlaps_and_all_is_on_the_page(plan: PlanSpec) -> None:
    root = ElementTree.fromstring(svg(plan))
    width, height = numbers(root, "width", "height")
    found = extents(root)
    assert len(found) >= len(plan.factors) + len(plan.variables)
    assert all(apart(a, b) for a, b in combinations(found, 2))
    assert all(e[0] > 0 and e[1] > 60 and e[2] < width and e[3] < height for e in found)


@each
def test_words_stay_inside_their_boxes(plan: PlanSpec) -> None:
    root = ElementTree.fromstring(svg(plan))
    for group in root.iter(f"{SVG}g"):
        boxes = extents(group)
        for text in group.iter(f"{SVG}text") if boxes else ():
            (x,) = numbers(text, "x")
            advance = 8 if text.attrib["class"] == "name" else 7
            ascii_text = re.sub(r"[^\x00-\x7f…]", "xx", text.text or "")
            long = advance * len(ascii_text)
            left = x - {"middle": long / 2, "end": long}.get(text.get("text-anchor", ""), 0)
            assert boxes[0][0] <= left and left + long <= boxes[0][2], text.text


@each
def test_what_is_cut_is_in_a_tooltip(plan: PlanSpec) -> None:
    root = ElementTree.fromstring(svg(plan))
    for group in root.iter(f"{SVG}g"):
        title = group.find(f"{SVG}title")
        assert title is not None and title.text
        lines = title.text.replace("\n", " ")
        for text in group.iter(f"{SVG}text"):
            shown = (text.text or "").removesuffix("…")
            assert shown in lines or shown in COLORS, shown


@each
def test_every_factor_has_a_wire_and_a_kind_in_words(plan: PlanSpec) -> None:
    root = ElementTree.fromstring(svg(plan))
    wires = [p.attrib["class"] for p in root.iter(f"{SVG}path")]
    to_variables = [w for w in wires if "source" not in w]
    assert len(to_variables) == sum(len(f.variables) for f in plan.factors)
    assert to_variables.count("wire given") == sum(bool(f.given) for f in plan.factors)
    words = [t.text for t in root.iter(f"{SVG}text")]
    for kind in {f.kind for f in plan.factors}:
        assert words.count(kind) >= sum(f.kind == kind for f in plan.factors)


def test_experts_are_left_and_rewards_right_of_the_variable() -> None:
    root = ElementTree.fromstring(svg(planned(ONE_LINER)))
    places = {t.text: float(t.attrib["x"]) for t in root.iter(f"{SVG}text")}
    assert places["flux_fill"] < places["x"] < places["vqascore"] < places["prompt"]


def test_the_picture_is_one_for_light_and_dark_pages() -> None:
    text = svg(planned(ONE_LINER))
    assert "@media (prefers-color-scheme: dark)" in text
    assert len(set(COLORS.values())) == len(COLORS)
