"""Values of inputs as text, on the command line and in sessions."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from poedsl.compiler.plan.term_syntax import from_tree
from poedsl.compiler.plan.terms import Const
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source
from poedsl.grammar.types import NUMERIC


def read_value(text: str, type_name: str) -> Any:
    """The value of an input: a path after ``@``, a text for the type ``Text``, else JSON.

    Args:
        type_name: of the input. Numeric types also take constant expressions.

    Raises:
        PoeError: there is no file name after ``@`` (P0604).
    """
    if text == "@":
        raise PoeError((Diagnostic("P0604", "there is no file name after `@`"),))
    if text.startswith("@"):
        return Path(text[1:])
    if type_name == "Text":
        return text
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    if type_name in NUMERIC and not {"#", "\n"} & set(text):
        with suppress(ValueError, RecursionError):
            expr, problems = parse_expression(Source(text))
            term = None if expr is None or problems else from_tree(expr)
            if isinstance(term, Const):
                return term.value
    return text
