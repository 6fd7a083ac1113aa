"""The tables of the parser, made by lark from ``poe.lark``.

python -m poedsl.grammar.parsing.parse_tables     # after a change of the grammar
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

STARTS = ["statement", "expr"]
FILE = Path(__file__).parents[1] / "poe.tables.json"


def built() -> str:
    """The content of ``poe.tables.json``: one line for each state, numbered as they are reached."""
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    grammar = str(FILE.with_name("poe.lark"))
    lark = Lark.open(grammar, parser="lalr", lexer="contextual", start=STARTS)
    table = lark.parser.parser._parse_table
    terminals = {t.name: t.pattern.to_regexp() for t in lark.terminals}
    rules = list(dict.fromkeys(map(_rule, lark.rules)))
    order: dict[int, int] = {}
    pending = [table.start_states[name] for name in STARTS]
    for state in pending:
        if order.setdefault(state, len(order)) == len(order) - 1:
            reached = sorted(table.states[state].items())
            pending += [to for _, (act, to) in reached if act is Shift and to not in order]
    actions: list[dict[str, int]] = []
    gotos: list[dict[str, int]] = []
    for state in order:
        rows: tuple[dict[str, int], dict[str, int]] = {}, {}
        for name, (act, to) in sorted(table.states[state].items()):
            rows[name.islower()][name] = order[to] if act is Shift else ~rules.index(_rule(to))
        actions.append(rows[0])
        gotos.append(rows[1])
    members = {
        "terminals": json.dumps(terminals, indent=1),
        "rules": _lines(rules),
        "actions": _lines(actions),
        "gotos": _lines(gotos),
        "starts": json.dumps({name: order[table.start_states[name]] for name in STARTS}),
        "ends": json.dumps({name: order[table.end_states[name]] for name in STARTS}),
    }
    return "{\n" + ",\n".join(f'"{name}": {text}' for name, text in members.items()) + "\n}\n"


def _rule(rule: Any) -> tuple[str, str, int]:
    """What a rule is of, the name that it is built under, and the number of its parts.

    One part of a ``?rule`` stands for it, and is not built anew.
    """
    alone = rule.options.expand1 and len(rule.expansion) == 1 and not rule.alias
    name = "" if alone else rule.alias or rule.origin.name
    return rule.origin.name, name, len(rule.expansion)


def _lines(rows: Iterable[Any]) -> str:
    return "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]"


if __name__ == "__main__":
    FILE.write_text(built(), encoding="utf-8")
