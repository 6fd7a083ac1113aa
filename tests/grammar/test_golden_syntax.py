"""What users see of syntax errors, file by file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from poedsl.grammar.codes import SYNTAX
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source

FOLDER = Path(__file__).parents[1] / "golden" / "syntax"
FILES = sorted(FOLDER.glob("*.poe"))


def read(path: Path) -> Source:
    return Source(path.read_text(encoding="utf-8"), path.name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path: Path, golden: Callable[[Path, str], None]) -> None:
    source = read(path)
    golden(path.with_suffix(".txt"), render_text(parse(source)[1], source) + "\n")


def test_every_code_has_a_golden() -> None:
    emitted = {d.code for path in FILES for d in parse(read(path))[1]}
    assert emitted == set(SYNTAX)


def test_no_golden_is_left_over() -> None:
    assert {p.stem for p in FOLDER.glob("*.txt")} == {p.stem for p in FILES}
