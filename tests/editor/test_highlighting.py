"""The lexer of Pygments and the grammar of TextMate know the words of the language."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pygments import token
from pygments.lexer import Lexer

from poedsl.editor import words
from poedsl.editor.highlighting import PoeLexer, textmate
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import words as words_of
from tests.compiler.programs import FILES, OTHERS, ROOT

EXTENSION = ROOT / "editors" / "vscode"
TEXTS = {**OTHERS, **{f.name: f.read_text(encoding="utf-8") for f in FILES}}

SAMPLE = (
    'use f from "a.py:f"  # code\ninput s : Real = 1.5e-3\nreport = 2\n'
    "x ~ Normal(s, exp(1)) * where(x > 0 and true)\n"
    "sample x by anneal(kernel = mala(steps = 2))\nreport mean(x)\n"
)
#: Words of the sample with their kind in Pygments and their scope in TextMate.
KINDS = [
    ("use", token.Keyword, "keyword.control.poe"),
    ('"a.py:f"', token.String.Double, "string.quoted.double.poe"),
    ("# code", token.Comment.Single, "comment.line.number-sign.poe"),
    ("Real", token.Keyword.Type, "support.type.poe"),
    ("1.5e-3", token.Number, "constant.numeric.poe"),
    ("Normal", token.Name.Class, "support.class.poe"),
    ("exp", token.Name.Builtin, "support.function.poe"),
    ("and", token.Operator.Word, "keyword.operator.logical.poe"),
    ("true", token.Keyword.Constant, "constant.language.poe"),
    ("kernel", token.Name.Attribute, "variable.parameter.option.poe"),
    ("mala", token.Name.Function, "support.function.option.poe"),
    ("~", token.Operator, "keyword.operator.poe"),
]


def test_the_lexer_is_an_entry_point() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["entry-points"]["pygments.lexers"]["poe"].partition(":")
    lexer = getattr(import_module(module), name)
    assert issubclass(lexer, Lexer)
    assert "poe" in lexer.aliases


@pytest.mark.parametrize("name", TEXTS)
def test_the_lexer_reads_programs(name: str) -> None:
    """Without an error, and cut into the words that the parser sees."""
    found = list(PoeLexer().get_tokens_unprocessed(TEXTS[name]))
    assert "".join(text for _, _, text in found) == TEXTS[name]
    assert [text for _, kind, text in found if kind is token.Error] == []
    names = [
        w.text for w in words_of(TEXTS[name], Span(0, len(TEXTS[name]))) if w.text.isidentifier()
    ]
    lexed = [t for _, kind, t in found if t.isidentifier() and kind not in token.Comment]
    assert lexed == names


@pytest.mark.parametrize(("word", "kind", "scope"), KINDS, ids=[w for w, _, _ in KINDS])
def test_kinds_of_words(word: str, kind: Any, scope: str) -> None:
    lexed = {text: k for _, k, text in PoeLexer().get_tokens_unprocessed(SAMPLE)}
    assert lexed[word] is kind
    assert (word, scope) in list(scopes(SAMPLE))


def scopes(text: str) -> list[tuple[str, str]]:
    """The words of a text with their scopes: the earliest match, of several the first pattern."""
    patterns = textmate()["patterns"]
    out = []
    for line in text.split("\n"):
        at = 0
        while at < len(line):
            matches = [(m, p) for p in patterns if (m := re.compile(p["match"]).search(line, at))]
            if not matches:
                break
            match, pattern = min(matches, key=lambda found: found[0].start())
            for group, capture in pattern.get("captures", {}).items():
                out.append((match[int(group)], capture["name"]))
            if "name" in pattern:
                out.append((match[0], pattern["name"]))
            at = max(match.end(), at + 1)
    return out


def test_report_is_a_keyword_only_where_it_begins_a_statement() -> None:
    kinds = [k for _, k, text in PoeLexer().get_tokens_unprocessed(SAMPLE) if text == "report"]
    assert kinds == [token.Name, token.Keyword]
    named = [scope for word, scope in scopes(SAMPLE) if word == "report"]
    assert named == ["variable.other.poe", "keyword.control.poe"]


def test_every_word_has_a_colour() -> None:
    keywords = {*words.KEYWORDS} - {*words.CONTEXTUAL_WORDS}
    called = (*words.EXPERT_WORDS, *words.FUNCTION_WORDS, *words.CONSTRUCT_WORDS, *words.FORM_WORDS)
    text = " ".join([*keywords, *words.TYPE_WORDS, *(f"{w}()" for w in called)])
    plain = [t for _, kind, t in PoeLexer().get_tokens_unprocessed(text) if kind is token.Name]
    assert plain == []
    assert [word for word, scope in scopes(text) if scope == "variable.other.poe"] == []


def test_the_grammar_of_the_extension(golden: Callable[[Path, str], None]) -> None:
    path = EXTENSION / "syntaxes" / "poe.tmLanguage.json"
    golden(path, json.dumps(textmate(), indent=2) + "\n")


def test_the_extension_names_files_that_are_there() -> None:
    package = json.loads((EXTENSION / "package.json").read_text(encoding="utf-8"))
    contributed = package["contributes"]
    files = [package["main"], *(g["path"] for g in contributed["grammars"])]
    files += [language["configuration"] for language in contributed["languages"]]
    assert [f for f in files if not (EXTENSION / f).is_file()] == []
    assert contributed["grammars"][0]["scopeName"] == textmate()["scopeName"]
    command = contributed["configuration"]["properties"]["poe.command"]["default"]
    assert command == ["poe", "lsp"]
    assert (EXTENSION / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
