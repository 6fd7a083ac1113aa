"""Names in the package, and what docstrings say of them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Modules of the dataclasses that callers hold: every field is in the docstring.
PUBLIC = (
    *("composition", "cost", "evidence", "posterior_summary", "result", "particle_histories"),
    *("records", "stage_view", "snapshots", "verdict", "run_settings", "warnings"),
)
_SECTION = re.compile(r"^Attributes:\n(?P<entries>.*?)(?=^\S|\Z)", re.M | re.S)
#: Texts and comments, whose words are no names.
_PROSE = re.compile(r'"""[\s\S]*?"""|"[^"\n]*"|#.*')
#: Names at the start of an entry, or after the full stop of an entry on the same line.
_ENTRY = re.compile(r"(?:^    |(?<=\S\. ))(?P<names>\w+(?:, \w+)*): ", re.M)


@cache
def sources() -> dict[Path, str]:
    """The text of every module."""
    paths = sorted((ROOT / "poedsl").rglob("*.py"))
    return {path: path.read_text(encoding="utf-8") for path in paths}


def classes(text: str) -> Iterator[ast.ClassDef]:
    return (n for n in ast.walk(ast.parse(text)) if isinstance(n, ast.ClassDef))


def described(docstring: str) -> list[str]:
    """The names that the section 'Attributes' of a docstring explains."""
    section = _SECTION.search(docstring)
    if section is None:
        return []
    return [n for entry in _ENTRY.finditer(section["entries"]) for n in entry["names"].split(", ")]


def fields_of(node: ast.ClassDef) -> set[str]:
    """The fields of a dataclass or a protocol, and variables of a class."""
    return {
        target.id
        for item in node.body
        if isinstance(item, ast.AnnAssign | ast.Assign)
        for target in ([item.target] if isinstance(item, ast.AnnAssign) else item.targets)
        if isinstance(target, ast.Name)
    }


def attributes(node: ast.ClassDef) -> set[str]:
    """All that instances of a class have by its own body."""
    inner = list(ast.walk(node))
    assigned = {
        n.attr for n in inner if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
    }
    methods = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
    return fields_of(node) | assigned | methods


def test_docstrings_describe_attributes_that_exist() -> None:
    wrong = {}
    for path, text in sources().items():
        if "Attributes:\n" not in text:
            continue
        for node in classes(text):
            names = described(ast.get_docstring(node) or "")
            missing = set(names) - attributes(node)
            if path.stem in PUBLIC and names:
                missing |= {n for n in fields_of(node) - set(names) if not n.startswith("_")}
            if missing:
                wrong[f"{path.relative_to(ROOT)}: {node.name}"] = sorted(missing)
    assert not wrong


def test_the_check_of_docstrings_sees_every_form_of_an_entry() -> None:
    docstring = (
        "One.\n\nAttributes:\n    a, b: two. c: of\n        these: not one.\n\nRaises:\n    d: no."
    )
    assert described(docstring) == ["a", "b", "c"]


def test_no_two_classes_share_a_name() -> None:
    places: dict[str, list[str]] = {}
    for path, text in sources().items():
        for name in re.findall(r"^\s*class (\w+)", text, re.M):
            places.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert not {name: paths for name, paths in places.items() if len(paths) > 1}


#: Names of the language's keyword in the syntax tree, in checked programs and in plans.
KEYWORD_FIELDS = {
    ("poedsl/grammar/tree.py", "given"),
    ("poedsl/compiler/typecheck/checked.py", "given"),
    ("poedsl/compiler/plan/plan_parts.py", "given"),
}


def former_words() -> set[str]:
    """The entries of 'Former words' in the glossary, but those that a remark in brackets limits to
    one meaning.
    """
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    table = glossary.split("## Former words")[1]
    cells = re.findall(r"^\| ([^|]+) \|", table, re.M)[2:]
    entries = (entry.strip() for cell in cells for entry in cell.split(","))
    return {entry for entry in entries if re.fullmatch(r"\w+", entry)}


def bound_names(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Every name that a module binds, in whatever scope, and its line."""
    for node in ast.walk(module):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, node.lineno
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name, node.lineno
            case ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, node.lineno
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name, node.lineno
            case ast.ExceptHandler(name=str(name)) | ast.alias(asname=str(name)):
                yield name, node.lineno
            case ast.MatchMapping(rest=str(name)):
                yield name, node.lineno


def test_no_name_is_a_former_word() -> None:
    words = former_words()
    assert {"found", "given", "known", "own", "banked", "trail"} <= words
    forms = {form for word in words for form in (word, f"{word}s")}
    anywhere = re.compile(rf"\b_*(?:{'|'.join(sorted(forms))})_*\b", re.I)
    former = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path, text in sources().items()
        if anywhere.search(_PROSE.sub("", text))
        for name, line in bound_names(ast.parse(text))
        if name.strip("_").lower() in forms
        and (path.relative_to(ROOT).as_posix(), name) not in KEYWORD_FIELDS
    ]
    assert not former


def test_names_of_every_kind_are_seen() -> None:
    text = """
def a(b, *c, d=1, **e):
    f = g.h = 2
    for i in []: [j for k in []]
    match f:
        case [l, *m] | {"n": o, **p}: pass
    try: import q as r
    except E as s: pass
    with t as u: lambda v: (w := 1)
class X:
    y: int
"""
    names = {name for name, _ in bound_names(ast.parse(text))}
    assert names == set("abcdefhiklmoprsuvwXy")
