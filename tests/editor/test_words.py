"""The word list has the words of the grammar and of the tables, and its examples are right."""

from __future__ import annotations

import re

import pytest

from poedsl.editor import words
from poedsl.grammar import tokens
from poedsl.grammar.parsing.parser import parse, parse_expression
from poedsl.grammar.source import Source
from tests.compiler.programs import ROOT

GRAMMAR = (ROOT / "poedsl" / "grammar" / "poe.lark").read_text(encoding="utf-8")
#: Terminals of the grammar that are a word.
TERMINALS = dict(re.findall(r"^([A-Z]+): /([a-z]+)\(\?", GRAMMAR, re.M))


def test_keywords_are_the_terminals_of_the_grammar() -> None:
    assert set(words.KEYWORDS) == set(TERMINALS.values())
    contextual = {w for t, w in TERMINALS.items() if w not in tokens.KEYWORDS}
    assert contextual == set(words.CONTEXTUAL_WORDS)


def test_options_are_known_to_the_grammar() -> None:
    assert words.OPTION_WORDS == tokens.OPTION_NAMES


def test_each_keyword_is_in_one_group() -> None:
    groups = (words.STATEMENT_WORDS, words.CONNECTIVE_WORDS, words.CONSTANT_WORDS)
    listed = [w for group in groups for w in group]
    assert sorted(listed) == sorted(words.KEYWORDS)


def test_no_word_is_in_two_lists() -> None:
    lists = (words.CONSTRUCT_WORDS, words.FUNCTION_WORDS, words.EXPERT_WORDS, words.TYPE_WORDS)
    listed = [w for group in lists for w in group]
    assert len(listed) == len(set(listed))
    assert not set(listed) & (words.KEYWORDS.keys() - set(words.CONTEXTUAL_WORDS))


@pytest.mark.parametrize("word", words.KEYWORDS)
def test_the_example_of_a_keyword_can_be_read(word: str) -> None:
    _, example = words.KEYWORDS[word]
    assert re.search(rf"\b{word}\b", example)
    block = f"{example}\n    x ~ Normal(0, 1)" if example.endswith(":") else example
    read, _ = parse_expression(Source(example))
    assert read is not None or parse(Source(block))[1] == ()


def test_names_with_brackets_are_names_of_the_grammar() -> None:
    groups = (words.CONSTRUCT_WORDS, words.FUNCTION_WORDS, words.EXPERT_WORDS, words.FORM_WORDS)
    for word in (w for group in groups for w in group):
        assert parse_expression(Source(f"{word}()"))[0] is not None, word
