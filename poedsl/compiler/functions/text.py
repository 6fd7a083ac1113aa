"""Functions of text."""

from __future__ import annotations

import re

from poedsl.compiler.functions.function import (
    ArgumentError,
    ArgumentType,
    Function,
    FunctionParameter,
)
from poedsl.grammar.types import BOOL, Type


def _pattern_type(_: ArgumentType, pattern: ArgumentType) -> Type:
    if isinstance(pattern.value, str):
        try:
            re.compile(pattern.value)
        except re.error as error:
            raise ArgumentError(f"its pattern is not a regular expression: {error}") from error
    return BOOL


def _holds(*_: ArgumentType) -> Type:
    return BOOL


TEXT = (
    Function(
        "contains",
        (FunctionParameter("text", "words"), FunctionParameter("part", "text")),
        _holds,
        "whether a text stands in another",
        'contains(prompt, "horse")',
        lambda text, part: part in text,
        has_atoms=True,
    ),
    Function(
        "matches",
        (FunctionParameter("text", "words"), FunctionParameter("pattern", "text")),
        _pattern_type,
        "whether a regular expression is found anywhere in a text",
        'matches(prompt, "^an? [a-z]+")',
        lambda text, pattern: re.search(pattern, text) is not None,
        has_atoms=True,
    ),
)
