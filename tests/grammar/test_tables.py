"""The tables in the package are those of the grammar."""

from __future__ import annotations

from poedsl.grammar.parsing.build_tree import Builder
from poedsl.grammar.parsing.lalr import tables
from poedsl.grammar.parsing.parse_tables import FILE, built


def test_the_tables_are_those_of_the_grammar() -> None:
    assert FILE.read_text(encoding="utf-8") == built(), (
        "run python -m poedsl.grammar.parsing.parse_tables"
    )


def test_every_rule_has_a_callback() -> None:
    assert all(hasattr(Builder, rule.callback) for rule in tables().rules if rule.callback)
