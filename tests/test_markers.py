"""Tests that depend on what a run draws are marked, and every marker is registered.

The marker `statistical` is defined in pyproject.toml. The rule of syntax here is that a test has it
which runs a plan, by itself or through functions of the tests, and compares within a tolerance that
is wider than rounding: of more than a hundredth, or computed.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTS = ROOT / "tests"
#: Methods that draw: of plans, of runs and of Pyro's inference.
RUNS = {"run", "stream", "stages"}
#: Functions that compare within a tolerance, and their arguments that say which.
COMPARISONS = {"approx", "allclose", "assert_close", "isclose"}
TOLERANCES = {"abs", "rel", "atol", "rtol"}
#: What is compared as closely as this, or by a constant of this name, differs by rounding alone.
ROUNDING = 1e-2
#: Tests that the rule is wrong about, and why what they compare is not up to what is drawn.
OTHERS = {
    "test_a_run_leaves_films_sheets_and_animations": "a codec loses as much, whatever the film",
}
#: Markers of pytest itself.
BUILT_IN = {"parametrize", "skipif", "skip", "usefixtures", "xfail", "filterwarnings"}


@dataclass
class Facts:
    """What a function does by itself."""

    runs: bool = False
    compares: bool = False
    uses: set[str] = field(default_factory=set)


def wide(tolerance: ast.expr) -> bool:
    """Whether a tolerance is wider than rounding; one that is computed is."""
    if isinstance(tolerance, ast.Constant):
        return bool(tolerance.value > ROUNDING)
    return not ast.unparse(tolerance).startswith("ROUNDING")


def called(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def within(node: ast.AST) -> bool:
    """Whether an expression compares within a tolerance: by a function, or |a - b| < c."""
    if isinstance(node, ast.Call) and called(node.func) in COMPARISONS:
        return any(k.arg in TOLERANCES and wide(k.value) for k in node.keywords)
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Lt | ast.LtE):
        return False
    calls = [n for n in ast.walk(node.left) if isinstance(n, ast.Call)]
    return any(called(c.func) == "abs" for c in calls) and wide(node.comparators[0])


def facts(function: ast.AST) -> Facts:
    out = Facts()
    for node in ast.walk(function):
        out.compares |= within(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            of_process = ast.unparse(node.func.value) == "subprocess"
            out.runs |= node.func.attr in RUNS and not of_process
        if isinstance(node, ast.Name):
            out.uses.add(node.id)
        if isinstance(node, ast.arg):  # a fixture
            out.uses.add(node.arg)
    return out


@dataclass(frozen=True)
class Module:
    """The functions of a module of tests, those that it imports from others among them."""

    functions: dict[str, ast.FunctionDef]
    known: dict[str, Facts]
    marked: bool

    def reached(self, name: str) -> Iterator[Facts]:
        """The facts of a function and of all that it uses."""
        seen, left = set(), [name]
        while left:
            if (current := left.pop()) in self.known and current not in seen:
                seen.add(current)
                yield self.known[current]
                left += self.known[current].uses

    def statistical(self) -> Iterator[str]:
        """The tests that the rule is about."""
        for name in self.functions:
            if name.startswith("test_") and name not in OTHERS:
                reached = list(self.reached(name))
                if any(f.runs for f in reached) and any(f.compares for f in reached):
                    yield name


def markers(node: ast.AST) -> set[str]:
    """The names of markers in a piece of code."""
    attributes = [n for n in ast.walk(node) if isinstance(n, ast.Attribute)]
    return {n.attr for n in attributes if ast.unparse(n.value) == "pytest.mark"}


def read(text: str) -> Module:
    tree = ast.parse(text)
    functions = {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef)}
    known = {n.name: facts(n) for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tests."):
            path = ROOT / f"{(node.module or '').replace('.', '/')}.py"
            known = (module(path).known if path.is_file() else {}) | known
    marks = [n for n in tree.body if isinstance(n, ast.Assign)]
    marks = [n for n in marks if ast.unparse(n.targets[0]) == "pytestmark"]
    return Module(functions, known, any("statistical" in markers(n) for n in marks))


@cache
def module(path: Path) -> Module:
    return read(path.read_text(encoding="utf-8"))


def unmarked(found: Module) -> Sequence[str]:
    """Tests that the rule is about, and that lack the marker."""
    if found.marked:
        return []
    return [
        name
        for name in found.statistical()
        if not any("statistical" in markers(d) for d in found.functions[name].decorator_list)
    ]


PATHS = sorted(TESTS.rglob("*.py"))


def test_statistical_tests_are_marked() -> None:
    missing = {str(p.relative_to(ROOT)): unmarked(module(p)) for p in PATHS}
    assert {path: names for path, names in missing.items() if names} == {}


def test_markers_are_registered() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    registered = {m.split(":")[0] for m in settings["tool"]["pytest"]["ini_options"]["markers"]}
    texts = (p.read_text(encoding="utf-8") for p in PATHS)
    used = {name for text in texts for name in re.findall(r"pytest\.mark\.(\w+)", text)}
    assert used - BUILT_IN == registered


def test_every_form_of_a_statistical_test_is_seen() -> None:
    head = "from tests.runtime.helpers import as_if_learned\n"
    runs = ("plan.run(seed=0).mean", "list(plan.stream())[-1].mean", "as_if_learned(plan, 0).mean")
    compares = ("{} == approx(1, abs=0.1)", "{} == approx(1, rel=2 * sd)", "abs({} - 1) < 3 * sd")
    for run in runs:
        for form in (*compares, "float(({} - 1).abs().max()) < 0.1"):
            text = f"{head}def test_it(plan):\n    assert {form.format(run)}\n"
            assert unmarked(read(text)) == ["test_it"], text
            assert unmarked(read(text.replace("def", "@pytest.mark.statistical\ndef"))) == []
            assert unmarked(read(f"pytestmark = pytest.mark.statistical\n{text}")) == []
        rounding = f"{head}def test_it(plan):\n    assert {run} == approx(1, abs=1e-6)\n"
        assert unmarked(read(rounding)) == []
    fixture = (
        "def drawn():\n    return plan.run()\ndef test_it(drawn):\n    assert abs(drawn) < 1\n"
    )
    assert unmarked(read(fixture)) == ["test_it"]
    process = 'def test_it():\n    assert abs(subprocess.run("poe")) < 1\n'
    assert unmarked(read(process)) == []
