"""Annotations are valid for mypy, and the compiler and the decorators read them alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.use_statements import read_use
from poedsl.experts.user.load import load_user
from poedsl.grammar import tree

EXAMPLES = Path(__file__).with_name("annotations.py")
ROOT = Path(__file__).parents[2]
NAMES = ["redness", "Likeness", "ring", "FairDie", "brightness", "scene", "slope", "arranged"]


@pytest.mark.slow
def test_mypy_accepts_the_examples() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(EXAMPLES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_the_compiler_and_the_decorator_read_the_same(name: str) -> None:
    place = f"{EXAMPLES}:{name}"
    statement = tree.Use(name=tree.Name(name=name), place=tree.String(value=place))
    signature = read_use(statement, Path())
    assert isinstance(signature, Signature), signature
    assert load_user(signature, place, Path(), allowed=True).signature == signature
