"""Functions of text."""

from __future__ import annotations

from poedsl.catalog.pattern_graphs import PatternError, parsed
from poedsl.compiler.functions.function import (
    ArgumentError,
    ArgumentType,
    Function,
    FunctionParameter,
)
from poedsl.compiler.functions.searches import pattern_occurs
from poedsl.grammar.types import BOOL, Type


def _pattern_type(_: ArgumentType, pattern: ArgumentType) -> Type:
    if isinstance(pattern.value, str):
        try:
            parsed(pattern.value)
        except PatternError as error:
            raise ArgumentError(f"its pattern cannot be used: {error}") from error
    return BOOL


def _matches(text: str, pattern: str) -> bool:
    try:
        return pattern_occurs(pattern, text)
    except PatternError as error:
        raise ArgumentError(f"the pattern cannot be used: {error}") from error


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
        _matches,
        has_atoms=True,
    ),
)
