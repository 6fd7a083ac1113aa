"""What users see of programs that parse and are wrong: a gallery, several snippets to a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from poedsl.compiler.codes import CODES
from poedsl.compiler.compile import Compiled, compile_source
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source

FOLDER = Path(__file__).parents[1] / "golden" / "check"
FILES = sorted(FOLDER.glob("*.poe"))
BETWEEN = "# -----\n"


def snippets(path: Path) -> list[Compiled]:
    """Each snippet compiled; files named ``*.strict.poe`` under ``--strict``."""
    strict = path.stem.endswith(".strict")
    texts = path.read_text(encoding="utf-8").split(BETWEEN)
    sources = [Source(text, "example.poe") for text in texts]
    return [compile_source(source, strict=strict, base=FOLDER) for source in sources]


def seen(compiled: Compiled) -> str:
    """The program with what ``poe check`` says of it."""
    said = render_text(compiled.diagnostics, compiled.source)
    return f"{compiled.source.text}\n{said}\n[exit {0 if compiled.ok else 1}]\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path: Path, golden: Callable[[Path, str], None]) -> None:
    text = f"\n{'=' * 80}\n\n".join(map(seen, snippets(path)))
    golden(path.with_suffix(".txt"), text)


@pytest.mark.slow
def test_every_code_of_the_compiler_has_a_golden() -> None:
    given = {d.code for path in FILES for c in snippets(path) for d in c.diagnostics}
    too_deep = {"P0506"}
    wanted = {c for c in CODES if "P0200" < c < "P0600" or "P0800" < c < "P0900"}
    assert wanted - given == too_deep


def test_no_golden_is_left_over() -> None:
    assert {p.stem for p in FOLDER.glob("*.txt")} == {p.stem for p in FILES}


def fixed(text: str, diagnostic: Diagnostic) -> list[str]:
    """The text after each fix that changes it."""
    out = []
    for fix in diagnostic.fixes:
        changed = text
        for edit in sorted(fix.edits, key=lambda e: e.span, reverse=True):
            changed = changed[: edit.span.start] + edit.text + changed[edit.span.end :]
        out += [changed] if fix.edits else []
    return out


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_fixes_give_programs_that_parse_and_have_the_error_no_more(path: Path) -> None:
    strict = path.stem.endswith(".strict")
    for compiled in snippets(path):
        text = compiled.source.text
        for diagnostic in compiled.diagnostics:
            for changed in fixed(text, diagnostic):
                assert not parse(Source(changed))[1], changed
                again = Source(changed, "example.poe")
                after = compile_source(again, strict=strict, base=FOLDER).diagnostics
                same = [d for d in after if (d.code, d.message) == key(diagnostic)]
                before = [d for d in compiled.diagnostics if key(d) == key(diagnostic)]
                assert len(same) < len(before), changed


def key(diagnostic: Diagnostic) -> tuple[str, str]:
    return diagnostic.code, diagnostic.message


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_messages_state_and_do_not_ask(path: Path) -> None:
    for compiled in snippets(path):
        for d in compiled.diagnostics:
            said = (d.message, d.here, *d.notes, *(f.text for f in d.fixes))
            assert not any("?" in s for s in said), said
            assert not d.message.endswith("."), d.message
            assert d.span.end > 0 or d.code == "P0411", d
            assert d.span.end <= len(compiled.source.text), d
