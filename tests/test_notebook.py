"""The cell magic ``%%poe``: in IPython's own shell, and in a notebook that a kernel executes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import CapturedIO, capture_output
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

import poedsl
from poedsl.grammar.errors import PoeError
from poedsl.plan import Plan
from poedsl.runtime.results.result import Result

PRODUCT = "input s : Real\nx ~ Normal(0, s) * Normal(2, 1)"


class Notebook:
    """A shell with the extension loaded."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell
        self.names: dict[str, Any] = shell.user_ns

    def run(self, cell: str) -> CapturedIO:
        """What a cell displays; it may not fail."""
        shown, error = self.attempt(cell)
        assert error is None
        return shown

    def attempt(self, cell: str) -> tuple[CapturedIO, BaseException | None]:
        with capture_output() as shown:
            result = self.shell.run_cell(cell)
        return shown, result.error_in_exec


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    shell = InteractiveShell.instance()
    made = Notebook(shell)
    made.run("%load_ext poedsl")
    yield made
    InteractiveShell.clear_instance()


def test_a_cell_is_a_plan(notebook: Notebook) -> None:
    shown = notebook.run(f"%%poe plan\n{PRODUCT}")
    assert isinstance(notebook.names["plan"], Plan)
    (output,) = shown.outputs
    assert "<table" in output.data["text/html"]
    assert "missing" in output.data["text/plain"]


def test_inputs_are_the_variables_of_the_notebook(notebook: Notebook) -> None:
    notebook.run("s = 2\nlabel = 5")
    with_default = f"{PRODUCT}\ninput label : Real = 1\nx ~ Normal(label, 9)"
    notebook.run(f"%%poe plan\n{with_default}")
    assert dict(notebook.names["plan"].spec.bindings) == {"s": 2}
    notebook.run(f"%%poe plan s=s+1 label=label\n{with_default}")
    assert dict(notebook.names["plan"].spec.bindings) == {"s": 3, "label": 5}
    notebook.run('%%poe plan t="two words"\ninput t : Text\nx ~ Normal(length(t), 1)')
    assert dict(notebook.names["plan"].spec.bindings) == {"t": "two words"}


def test_a_run_is_that_of_the_plan(notebook: Notebook) -> None:
    line = "%%poe result --run --seed 3 --sample particles=64 --sample steps=4 s=1.5"
    shown = notebook.run(f"{line}\n{PRODUCT}")
    result = notebook.names["result"]
    assert isinstance(result, Result)
    wanted = poedsl.compile(PRODUCT + "\n").run(seed=3, particles=64, steps=4, s=1.5)
    assert result.particles["x"].equal(wanted.particles["x"])
    assert "text/html" in shown.outputs[-1].data


def test_errors_are_shown_without_a_traceback(notebook: Notebook) -> None:
    shown, error = notebook.attempt("%%poe plan\nx ~ Nrmal(0, 1)")
    assert isinstance(error, PoeError)
    assert [d.code for d in error.diagnostics] == ["P0202"]
    assert "plan" not in notebook.names
    (output,) = shown.outputs
    assert "P0202" in output.data["text/html"]
    assert "<cell>:1:5" in output.data["text/plain"]
    assert "Traceback" not in shown.stdout + shown.stderr
    _, error = notebook.attempt(f"%%poe plan --run\n{PRODUCT}")
    assert isinstance(error, PoeError)
    assert [d.code for d in error.diagnostics] == ["P0601"]


def test_warnings_are_shown_with_the_plan(notebook: Notebook) -> None:
    shown = notebook.run("%%poe plan\ninput unused : Real = 1\nx ~ Normal(0, 1)")
    assert ["P0801" in o.data["text/plain"] for o in shown.outputs] == [True, False]


@pytest.mark.parametrize(
    "line", ["plan --ruin", "two names", "plan --seed x", "1plan", "plan --profile"]
)
def test_lines_that_are_wrong(notebook: Notebook, line: str) -> None:
    _, error = notebook.attempt(f"%%poe {line}\nx ~ Normal(0, 1)")
    assert isinstance(error, UsageError)


@pytest.mark.slow
def test_errors_of_expressions_are_those_of_python(notebook: Notebook) -> None:
    _, error = notebook.attempt(f"%%poe plan s=1/0\n{PRODUCT}")
    assert isinstance(error, ZeroDivisionError)


@pytest.mark.slow
def test_a_kernel_executes_a_notebook(tmp_path: Path) -> None:
    cells = [
        "%load_ext poedsl",
        "s = 2.0",
        f"%%poe result --run --sample particles=50\n{PRODUCT}",
        "assert result.particles['x'].shape == (50,)\nresult",
        "%%poe wrong\nx ~ Nrmal(0, 1)",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}})
    with pytest.raises(CellExecutionError):
        client.execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert outputs[:2] == [[], []]
    assert all("<" in outputs[k][-1].data["text/html"] for k in (2, 3))
    shown, error = outputs[4]
    assert "P0202" in shown.data["text/html"]
    assert error.traceback == ["poe: 1 error; the cell has no result"]
