"""Targets and bases are values, and are asked for what they can do rather than for their class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.build.tempering_base import Base
from poedsl.runtime.targets.product import Product
from poedsl.runtime.targets.tempering import FixedBase

#: Whose import brings every target and every base with it.
assert prepare and Base
PACKAGE = Path(__file__).parents[2] / "poedsl"


def family(kind: type) -> Iterator[type]:
    yield kind
    for child in kind.__subclasses__():
        yield from family(child)


CLASSES = [*family(Product), *family(FixedBase)]
NAMES = {kind.__name__ for kind in CLASSES} | {"LaplaceBase", "BaseDistribution"}


def test_targets_and_bases_are_frozen() -> None:
    assert {"Target", "SequenceTarget", "SectionTarget", "TemperedTarget", "Prior"} <= NAMES
    frozen = {kind for kind in CLASSES if kind.__dict__.get("__dataclass_params__")}
    assert frozen == {*CLASSES} - {FixedBase}
    assert [k.__name__ for k in frozen if not k.__dict__["__dataclass_params__"].frozen] == []


def asked(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines on which a class of these is asked for, by `isinstance` or in a pattern."""
    for node in ast.walk(tree):
        kinds: list[ast.expr] = []
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"isinstance", "issubclass"}:
            kinds = node.args[1:]
        elif isinstance(node, ast.MatchClass):
            kinds = [node.cls]
        for name in (n.id for kind in kinds for n in ast.walk(kind) if isinstance(n, ast.Name)):
            if name in NAMES:
                yield kinds[0].lineno, name


def test_nothing_asks_for_the_class_of_a_target_or_a_base() -> None:
    found = {
        f"{path.relative_to(PACKAGE)}:{line}: {name}"
        for path in PACKAGE.rglob("*.py")
        for line, name in asked(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == set()


def test_every_form_of_asking_is_seen() -> None:
    forms = (
        "isinstance(x, Base)",
        "isinstance(x, int | Base)",
        "isinstance(x, (int, Base))",
        "match x:\n case Base():\n  pass",
    )
    assert [[name for _, name in asked(ast.parse(form))] for form in forms] == [["Base"]] * 4
