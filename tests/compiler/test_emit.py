"""Every stage of the compiler can be shown, of right programs and of wrong ones."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from poedsl.cli.entry import entry
from poedsl.compiler.compile import Compiled, compile_source
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.read_json import from_json
from poedsl.compiler.plan.text import parse_plan
from poedsl.compiler.views.emit import STAGES, View, emit, emit_plan, read_view
from poedsl.grammar.errors import PoeError
from poedsl.grammar.source import Source
from tests.compiler.programs import ONE_LINER, OTHERS, ROOT, compiled

GOLDEN = ROOT / "tests" / "golden" / "emit"
FILES = (ROOT / "programs" / "digits.poe", ROOT / "programs" / "layout.poe", GOLDEN / "loops.poe")
WRONG = sorted((ROOT / "tests" / "golden").glob("*/*.poe"))


def compile_file(path: Path) -> Compiled:
    name = path.relative_to(ROOT).as_posix()
    return compile_source(Source(path.read_text(encoding="utf-8"), name), base=path.parent)


def shown(made: Compiled, view: str) -> str:
    text = emit(made, read_view(view))
    assert text is not None
    return text


def data(made: Compiled, view: str) -> Any:
    return json.loads(shown(made, view))


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path: Path, stage: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{path.stem}.{stage}.txt", shown(compile_file(path), stage))


def test_no_golden_is_left_over() -> None:
    wanted = {f"{path.stem}.{stage}.txt" for path in FILES for stage in STAGES}
    assert {path.name for path in GOLDEN.glob("*.txt")} == wanted


def test_views_are_forms_of_the_plan_and_stages() -> None:
    assert read_view("text") == read_view("plan") == read_view("plan.text") == View("plan", "text")
    assert read_view("svg") == View("plan", "svg")
    assert read_view("tree") == View("tree", "text")
    assert read_view("checked.json") == View("checked", "json")


@pytest.mark.parametrize("text", ["", "xml", "tree.svg", "tree.", ".json", "Tree", "plan.tree"])
def test_an_unknown_view_is_answered_with_the_known_ones(text: str) -> None:
    with pytest.raises(ValueError, match=r"text, json, dot, svg.* lowered and plan") as error:
        read_view(text)
    assert repr(text) in str(error.value)


def test_the_plan_is_what_it_was_without_stages() -> None:
    plan = compiled(ONE_LINER).plan
    assert plan is not None
    assert parse_plan(emit_plan(plan, "text")) == plan
    assert from_json(emit_plan(plan, "json")) == plan
    assert shown(compiled(ONE_LINER), "json") == plan.to_json()


def without_places(factors: tuple[FactorSpec, ...]) -> tuple[FactorSpec, ...]:
    return tuple(replace(f, place="") for f in factors)


@pytest.mark.parametrize("stage", ["expanded", "resolved"])
@pytest.mark.parametrize("text", [f.read_text() for f in FILES] + list(OTHERS.values()))
def test_what_a_pass_made_is_a_program_with_the_same_plan(text: str, stage: str) -> None:
    first = compiled(text)
    again = compiled(shown(first, stage))
    assert first.plan is not None and again.plan is not None, again.diagnostics
    assert without_places(again.plan.factors) == without_places(first.plan.factors)
    assert again.plan.variables == first.plan.variables
    chosen = [[(o.name, o.value) for o in plan.options] for plan in (first.plan, again.plan)]
    assert chosen[0] == chosen[1]


def nodes(tree: Any) -> Iterator[dict[str, Any]]:
    if isinstance(tree, dict):
        if "node" in tree:
            yield tree
        for part in tree.values():
            yield from nodes(part)
    elif isinstance(tree, list):
        for part in tree:
            yield from nodes(part)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_outline_and_the_json_hold_the_same_nodes(path: Path) -> None:
    made = compile_file(path)
    found = list(nodes(data(made, "tree.json")))
    lines = shown(made, "tree").splitlines()
    assert len(lines) == len(found)
    for line, node in zip(lines, found, strict=True):
        start = node["span"]["start"]
        assert line.startswith(f"{start['line']}:{start['column']}-")
        assert node["node"] in line


def test_spans_of_the_tree_are_places_in_the_text() -> None:
    made = compiled('input caption : Text = "a\\tcat"\nx ~ flux(caption)\n')
    for node in nodes(data(made, "tree.json")):
        if node["node"] == "Name":
            span = node["span"]["start"]["offset"], node["span"]["end"]["offset"]
            assert made.source.text[slice(*span)] == node["name"]


def test_the_origins_of_inputs_are_reported() -> None:
    made = compiled(ONE_LINER)
    assert "input depth : Depth  # inferred at 1:16-21\n" in shown(made, "resolved")
    assert data(made, "resolved.json")["origins"]["image"]["origin"] == "ambient"
    assert "input image : Image[3, _, _]  # ambient at 1:25\n" in shown(made, "checked")


def test_lowering_names_sites_and_splits_products() -> None:
    made = compiled("x ~ Normal(0, 1) / Normal(0, 2) * where(x > 0)\n")
    assert len(data(made, "checked.json")["factors"]) == 1
    sites = data(made, "lowered.json")["factors"]
    assert [(f["name"], f["kind"], f["exponent"]) for f in sites] == [
        ("Normal", "gaussian", 1),
        ("Normal_2", "gaussian", -1),
        ("where", "where", 1),
    ]
    text = shown(made, "lowered")
    assert "# Normal_2: gaussian at 1:20-32\nx ~ Normal(loc = 0, scale = 2)^-1\n" in text
    assert "x ~ where(x > 0)\n" in text


def test_stages_before_an_error_are_shown_and_the_plan_is_not() -> None:
    made = compiled("y ~ Normal(0, 1)\nx ~ Normal(0, 1) * Norml(1)\n")
    assert 'Name "Norml"' in shown(made, "tree")
    assert "# not all of x is known" in shown(made, "checked")
    assert data(made, "lowered.json")["incomplete"] == ["x"]
    assert emit(made, View("plan", "svg")) is None


@pytest.mark.parametrize("path", WRONG, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_every_stage_of_every_wrong_program_can_be_shown(path: Path) -> None:
    for text in path.read_text(encoding="utf-8").split("# -----\n"):
        made = compiled(text)
        for stage in STAGES[:-1]:
            assert shown(made, stage) is not None
            assert data(made, f"{stage}.json")["stage"] == stage


@pytest.mark.slow
def test_poe_plan_prints_views(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def poe(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["poe", "plan", *arguments])
        with pytest.raises(SystemExit) as ended:
            entry()
        return (int(ended.value.code or 0), *capsys.readouterr())

    right, wrong, saved = (str(tmp_path / n) for n in ("right.poe", "wrong.poe", "plan.json"))
    Path(right).write_text("input s : Real\nx ~ Normal(s, 1)\n")
    Path(wrong).write_text("x ~ Normal(0, y)\n")
    code, out, err = poe(right, "--emit=json", "--set", "s=2")
    Path(saved).write_text(out)
    assert (code, err) == (0, "")
    assert "Real = 2" in poe(saved, "--emit=svg")[1]
    assert poe(saved, "--emit=plan.dot")[1].startswith("graph ")
    assert poe(right, "--emit=resolved")[1].endswith("x ~ Normal(loc = s, scale = 1)\n")
    code, out, err = poe(wrong, "--emit=tree")
    assert (code, out[:3], "error[P0201]" in err) == (1, "1:1", True)
    assert poe(wrong, "--emit=dot")[:2] == (1, "")
    for usage in (
        [right, "--emit=xml"],
        [saved, "--emit=tree"],
        [right, "--emit=tree", "--set", "s=2"],
    ):
        code, out, err = poe(*usage)
        assert (code, out, err.count("\n")) == (2, "", 1)


def test_what_is_nested_too_deeply_to_show_is_an_error() -> None:
    made = compiled(f"let a = {'[' * 500}1{']' * 500}\nx ~ Normal(0, 1)\n")
    with pytest.raises(PoeError) as error:
        emit(made, View("tree", "json"))
    assert [d.code for d in error.value.diagnostics] == ["P0506"]
