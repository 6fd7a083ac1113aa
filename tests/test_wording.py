"""Nothing is decided by the wording of a message: codes and data say what happened."""

from __future__ import annotations

import ast
import logging
from collections.abc import Iterator

import pytest
import torch

from poedsl.experts.loading.libraries import library_warnings
from poedsl.grammar.errors import is_out_of_memory
from tests.test_imports import modules

#: Functions that read the text of another library, which gives nothing else; tests below hold two
#: to what the libraries say, and the third shortens a text that is shown.
TEXTS_OF_LIBRARIES = {
    "poedsl.grammar.errors.is_out_of_memory",
    "poedsl.experts.loading.libraries.emit",
    "poedsl.experts.loading.libraries.first_sentence",
}
SEARCHES = {"partition", "rpartition", "split", "startswith", "endswith", "find", "index", "count"}


def is_message(node: ast.AST) -> bool:
    """Whether an expression is the text of a diagnostic, a warning or an error."""
    match node:
        case ast.Attribute(attr="message") | ast.Name(id="message"):
            return True
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id="error" | "e" | "exc")]):
            return True
    return False


def decisions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """The innermost functions that search a message or compare with one, and the lines."""
    found: dict[ast.AST, tuple[str, int]] = {}
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for node in ast.walk(function):
            match node:
                case ast.Compare(left=left, comparators=[*others]):
                    sides = [left, *others]
                case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in SEARCHES:
                    sides = [value]
                case _:
                    continue
            if any(map(is_message, sides)):
                found[node] = function.name, node.lineno
    yield from found.values()


def test_the_test_sees_decisions() -> None:
    text = "def f(error, w):\n    if 'no' in str(error): pass\n    w.message.partition(' at')\n"
    assert list(decisions(ast.parse(text))) == [("f", 2), ("f", 3)]


@pytest.mark.slow
def test_no_decision_rests_on_wording() -> None:
    found = {
        f"{name}.{function}"
        for name, path in modules().items()
        for function, _ in decisions(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == TEXTS_OF_LIBRARIES


def test_memory_that_runs_out_is_known_by_the_text_of_torch() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


def test_texts_that_diffusers_cuts_have_a_warning_of_their_own() -> None:
    logger = logging.getLogger("diffusers.pipelines.stable_diffusion")
    with library_warnings() as said:
        logger.warning("The following part of your input was truncated because CLIP can only ...")
        logger.warning("The scheduler has\n an outdated setting")
        logger.info("loading")
    assert said == {"The scheduler has an outdated setting"}
