"""The plan as text and as JSON: both read back to the same plan, also in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from poedsl.compiler.plan.costs import format_duration
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import Array, InputSpec
from poedsl.compiler.plan.plan_schema import plan_schema, printed
from poedsl.compiler.plan.read_json import from_json
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, applied
from poedsl.compiler.plan.terms import from_json as term_from_json
from poedsl.compiler.plan.terms import to_json as term_to_json
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.grammar.types import RANKS, RECORDS, Type
from tests.compiler.programs import FILES, ROOT, every_plan

PLANS = every_plan()
GOLDEN = ROOT / "tests" / "golden" / "plan"
SCHEMA = json.loads((files("poedsl.compiler.plan") / "plan.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("name", [*(f.stem for f in FILES), "one_liner"])
def test_printed_plan(name: str, golden: Callable[[Path, str], None]) -> None:
    golden(GOLDEN / f"{name}.txt", print_plan(PLANS[name]))


@pytest.mark.parametrize("name", PLANS)
def test_text_reads_back(name: str) -> None:
    plan = PLANS[name]
    again = parse_plan(print_plan(plan))
    assert again == plan
    assert again.hash == plan.hash


@pytest.mark.parametrize("name", PLANS)
def test_json_reads_back(name: str) -> None:
    plan = PLANS[name]
    again = from_json(plan.to_json())
    assert again == plan
    assert again.to_json() == plan.to_json()


@pytest.mark.parametrize("name", PLANS)
def test_json_is_of_the_schema(name: str) -> None:
    Draft202012Validator(SCHEMA).validate(json.loads(PLANS[name].to_json()))


def test_bound_plans_are_of_the_schema_and_read_back() -> None:
    values = (("s", 2.5), ("t", (1.0, 2.0)), ("u", "a text"), ("v", None))
    array = Array("<f4", (2,), b"\0\0\x80?\0\0\0@")
    plan = replace(PLANS["inputs"], bindings=(*values, ("w", array)))
    Draft202012Validator(SCHEMA).validate(json.loads(plan.to_json()))
    assert from_json(plan.to_json()) == plan
    assert parse_plan(print_plan(plan)) == plan


def test_the_schema_in_the_package_is_that_of_the_fields(
    golden: Callable[[Path, str], None],
) -> None:
    golden(ROOT / "poedsl/compiler/plan/plan.schema.json", printed(plan_schema()) + "\n")
    assert plan_schema() == SCHEMA


def test_schema_is_a_schema_and_names_every_type() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert set(SCHEMA["$defs"]["typename"]["enum"]) == {*RANKS, *RECORDS}


@pytest.mark.slow
def test_another_process_makes_and_reads_the_same_plans(tmp_path: Path) -> None:
    for name, plan in PLANS.items():
        (tmp_path / f"{name}.json").write_text(plan.to_json(), encoding="utf-8")
        (tmp_path / f"{name}.txt").write_text(print_plan(plan), encoding="utf-8")
    code = """
import pathlib, sys
from poedsl.compiler.plan.read_json import from_json
from poedsl.compiler.plan.text import parse_plan
from tests.compiler.programs import every_plan
for name, plan in every_plan().items():
    folder = pathlib.Path(sys.argv[1])
    read = from_json((folder / f"{name}.json").read_text(encoding="utf-8"))
    parsed = parse_plan((folder / f"{name}.txt").read_text(encoding="utf-8"))
    assert read == parsed == plan, name
    print(name, read.hash, parsed.hash, plan.hash)
"""
    out = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert out.splitlines() == [f"{n} {p.hash} {p.hash} {p.hash}" for n, p in PLANS.items()]


# What is not a plan.


def changed(change: Callable[[dict[str, Any]], Any]) -> str:
    data = json.loads(PLANS["gaussians"].to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["factors"][0].update(exponent=2),
        lambda d: d["factors"].pop(),
        lambda d: d.update(program="other.poe"),
        lambda d: d.update(hash="sha256:" + "0" * 64),
        lambda d: d.pop("hash"),
        lambda d: d.update(schema="poedsl-plan/2"),
        lambda d: d.pop("factors"),
        lambda d: d.update(factors=3),
        lambda d: d["factors"][0].update(kind="magic"),
        lambda d: d["factors"][0].update(term={"other": 1}),
        lambda d: d["variables"][0]["type"].update(name="Magic"),
        lambda d: d["variables"][0].update(type=None),
    ],
)
def test_a_changed_plan_is_refused(change: Callable[[dict[str, Any]], Any]) -> None:
    with pytest.raises(ValueError, match="plan"):
        from_json(changed(change))


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{}", "{", "[" * 100_000])
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_json(text)


@pytest.mark.parametrize(
    "text", ["", 'plan 2 "a"', 'plan 1 "a"\nsomething else', 'plan 1 "a"\noption a = ((']
)
def test_text_that_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_plan(text)


# Terms of all kinds.

NAMES = st.sampled_from(["x", "y", "depth", "prompt_2"])
SCALARS = (
    st.floats(allow_nan=False, allow_infinity=False).map(lambda v: v + 0.0)
    | st.integers(-(10**20), 10**20)
    | st.booleans()
    | st.none()
    | st.text(st.characters(exclude_categories=("Cs",)))
)
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, min_size=1, max_size=3).map(tuple))
LEAVES = st.builds(Const, VALUES) | st.builds(Ref, NAMES)
ENDS = st.builds(Const, st.none() | st.integers(0, 9))
SLICES = st.builds(lambda a, b: Apply("slice", (a, b)), ENDS, ENDS)


def _compound(terms: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    speaking = terms.filter(lambda t: not isinstance(t, Const))
    operators = st.sampled_from(["+", "-", "*", "/", "^", "<", ">=", "==", "and", "or"])
    pairs = st.tuples(terms, terms)
    keywords = st.dictionaries(st.sampled_from(["loc", "scale", "label"]), terms, max_size=3)
    return st.one_of(
        st.builds(lambda op, sides: applied(op, *sides), operators, pairs),
        st.builds(lambda t: Apply("neg", (t,)), speaking),
        st.builds(lambda t: Apply("not", (t,)), terms),
        st.builds(lambda t, u: Apply("list", (t, u)), speaking, terms),
        st.builds(lambda t, i: Apply("index", (t, i)), speaking, terms | SLICES),
        st.builds(lambda w, a, b: Apply("mixture", (w, a, w, b)), terms, terms, terms),
        st.builds(
            lambda a, k: Apply("Normal", tuple(a), tuple(k.items())),
            st.lists(terms, max_size=2),
            keywords,
        ),
    )


TERMS = st.recursive(LEAVES, _compound, max_leaves=12)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(TERMS)
def test_terms_read_back_from_json(term: Term) -> None:
    again = term_from_json(json.loads(json.dumps(term_to_json(term))))
    assert again == term
    assert repr(again) == repr(term)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(TERMS, TERMS, st.text(st.characters(exclude_categories=("Cs",))), VALUES)
def test_plans_read_back(term: Term, exponent: Term, text: str, value: Any) -> None:
    base = PLANS["gaussians"]
    factor = replace(base.factors[0], term=term, exponent=exponent, place=text)
    plan: PlanSpec = replace(
        base,
        program=text,
        factors=(factor,),
        inputs=(InputSpec("s", Type("Image", (3, None, None)), Const(value), "inferred", text),),
        bindings=(("s", value),),
        notes=(text,),
    )
    for again in (parse_plan(print_plan(plan)), from_json(plan.to_json())):
        assert again == plan
        assert again.hash == plan.hash
    Draft202012Validator(SCHEMA).validate(json.loads(plan.to_json()))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.002, "2 ms"), (0.874, "870 ms"), (1.24, "1.2 s"), (100, "1.7 min"), (9e5, "250 h")],
)
def test_durations_read_as_people_write_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_long_arrays_are_shown_by_their_hash() -> None:
    array = Array("<f8", (1000,), bytes(8000))
    plan = replace(next(iter(PLANS.values())), bindings=(("y", array),))
    text = print_plan(plan)
    assert parse_plan(print_plan(plan, whole=True)) == plan
    named = replace(plan, bindings=(("y", "array <f8 [2] sha256:0"), ("z", "sha256:0")))
    assert parse_plan(print_plan(named)) == named
    assert "bind y = array <f8 [1000] sha256:" in text
    with pytest.raises(ValueError, match="array <f8"):
        parse_plan(text)
