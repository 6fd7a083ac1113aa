"""poe.lark as a reader wants it: EBNF, lists and operators as repetitions, without tree names."""

from __future__ import annotations

import re

_RULE = re.compile(r"^\??(\w+): (.*)$")
_WORD = re.compile(r'"[^"]*"|\w+')

Alternatives = list[list[str]]


def ebnf(lark: str) -> str:
    """The rules, a production each, then the terminals that are no words."""
    rules: dict[str, Alternatives] = {}
    terminals: dict[str, str] = {}
    for line in _logical(lark):
        name, body = re.fullmatch(r"\??(\w+):\s*(.*)", line, re.S).groups()  # type: ignore[union-attr]
        if name.isupper():
            terminals[name] = body.strip()
        else:
            parts = (p.split("->")[0].strip() for p in body.split("| "))
            rules[name] = [_WORD.findall(part) for part in parts]
    words = {n: f'"{t[1:-3]}"' for n, t in terminals.items() if t.endswith(r"\b/")}
    width = max(map(len, (*rules, *terminals)))
    out = [
        _production(name, _shown(name, [[words.get(w, w) for w in a] for a in body]), width)
        for name, body in rules.items()
    ]
    out.append("")
    out += [f"{name:<{width}} = {body}" for name, body in terminals.items() if name not in words]
    return "".join(f"{line}\n" for line in out)


def _logical(lark: str) -> list[str]:
    """Each rule or terminal as one line; comments and directives left out."""
    kept = [s for s in lark.splitlines() if s.strip() and not s.startswith(("//", "%"))]
    return re.split(r"\n(?=\S)", "\n".join(kept))


def _production(name: str, alternatives: list[str], width: int) -> str:
    lines = [f"{name:<{width}} = {alternatives[0]}"]
    lines += [f"{'':<{width}} | {a}" for a in alternatives[1:]]
    return "\n".join(lines)


def _shown(name: str, body: Alternatives) -> list[str]:
    first, rest = body[0], body[1:]
    if rest and all(a[0] == name for a in rest) and len({tuple(a[2:]) for a in rest}) == 1:
        signs = " | ".join(a[1] for a in rest)
        signs = f"({signs})" if len(rest) > 1 else signs
        return [f"{' '.join(first)} {{ {' '.join((signs, *rest[0][2:]))} }}"]
    merged: list[str] = []
    for alternative in body:
        text = " ".join(alternative)
        if '"," ' in text and (same := text.replace('"," ', "", 1)) in merged:
            merged[merged.index(same)] = _optional_comma(text)
        else:
            merged.append(text)
    return merged


def _optional_comma(text: str) -> str:
    head, tail = text.rsplit('"," ', 1)
    return f'{head}[ "," ] {tail}'
