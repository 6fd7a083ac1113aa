"""Modules of the package import each other in no circle, wherever in a module the import stands.

The direction between the layers is held by import-linter, with the contracts of pyproject.toml.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import networkx
import pytest

PACKAGE = Path(__file__).parent.parent / "poedsl"
#: Circles that are there. One that was cut is taken out of this list; none is added to it.
KNOWN: list[set[str]] = []


def modules() -> dict[str, Path]:
    """Every module of the package by its name."""
    out = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
        out[name.removesuffix(".__init__")] = path
    return out


def imported(path: Path, names: dict[str, Path]) -> Iterator[str]:
    """What a module imports of the package, in functions and for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name in names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path}:{node.lineno}: a relative import"
            if node.module not in names:
                continue
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in names else node.module


@pytest.mark.slow
def test_no_circles() -> None:
    names = modules()
    edges = [(name, to) for name, path in names.items() for to in imported(path, names)]
    components = networkx.strongly_connected_components(networkx.DiGraph(edges))
    circles = [c for c in components if len(c) > 1]
    new = [sorted(c) for c in circles if c not in KNOWN]
    cut = [sorted(c) for c in KNOWN if c not in circles]
    assert not new, f"modules that import each other in a circle: {new}"
    assert not cut, f"circles that are cut, to be taken out of KNOWN: {cut}"


@pytest.mark.slow
def test_protocols_can_be_checked_at_run_time() -> None:
    """As the checks of shapes and types at every call do."""
    unchecked = [
        f"{name}.{node.name}"
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef)
        and any(ast.unparse(base).split("[")[0] == "Protocol" for base in node.bases)
        and "runtime_checkable" not in map(ast.unparse, node.decorator_list)
    ]
    assert unchecked == []
