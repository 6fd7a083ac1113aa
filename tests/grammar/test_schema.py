"""Diagnostics as JSON keep to their schema."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from poedsl.compiler.compile import compile_source
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label, to_json
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source, Span

GOLDEN = Path(__file__).parents[1] / "golden"
PROGRAMS = sorted([*GOLDEN.glob("syntax/*.poe"), *GOLDEN.glob("check/*.poe")])


@cache
def validator() -> Draft202012Validator:
    """Of the schema as it is packaged."""
    schema = json.loads((files("poedsl.grammar") / "diagnostics.schema.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.slow
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_goldens_keep_to_the_schema(path: Path) -> None:
    whole = Source(path.read_text(encoding="utf-8"), path.name)
    for text in (whole.text, *whole.text.split("# -----")):
        source = replace(whole, text=text)
        found = to_json(compile_source(source, strict=True).diagnostics, source)
        validator().validate(json.loads(json.dumps(found)))
        for d in found:
            for span in [d["span"], *(label["span"] for label in d["labels"])]:
                for place in span.values():
                    assert place_of(source, place["line"], place["column"]) == place["offset"]


def place_of(source: Source, line: int, column: int) -> int:
    return source.line_starts[line - 1] + column - 1


FULL = Diagnostic(
    "P0101",
    "m",
    Span(2, 3),
    "warning",
    "here",
    (Label(Span(0, 1), "label"),),
    ("note",),
    (Fix("fix", (Edit(Span(0, 0), "y"),), "safe"),),
)


def full() -> dict[str, Any]:
    return to_json((FULL,), Source("x ~ A"))[0]


def test_a_full_diagnostic() -> None:
    validator().validate([full()])


@pytest.mark.parametrize("key", full())
def test_every_key_is_required(key: str) -> None:
    lacking = full()
    del lacking[key]
    with pytest.raises(ValidationError):
        validator().validate([lacking])


@pytest.mark.parametrize(
    "wrong", [{"more": 1}, {"severity": "bad"}, {"code": "X1"}, {"notes": [1]}]
)
def test_nothing_else_is_allowed(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        validator().validate([full() | wrong])


def test_warnings_look_like_errors() -> None:
    """The same excerpt, underlines, labels and help, under another headline."""
    source = Source("x ~ A", "a.poe")
    error = render_text((replace(FULL, severity="error"),), source)
    for severity in ("warning", "note"):
        other = render_text((replace(FULL, severity=severity),), source)
        assert other.splitlines()[0] == f"{severity}[P0101]: m"
        assert other.splitlines()[1:-1] == error.splitlines()[1 : len(other.splitlines()) - 1]
    assert error.splitlines()[1:] == [
        "  --> a.poe:1:3",
        "  |",
        "1 | x ~ A",
        "  | - ^ here",
        "  | |",
        "  | label",
        "  |",
        "  = help: fix",
        "  = note: note",
        "",
        "1 error",
    ]
