"""What names refer to, and renaming, definitions and references by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from poedsl.editor.document import Document
from poedsl.editor.navigation import code_of, definition, outline, references
from poedsl.editor.rename import RenameError, renamable, rename
from poedsl.grammar.diagnostics import Fix
from poedsl.grammar.recovery.apply_fixes import apply_fix
from tests.compiler.programs import FILES, OTHERS
from tests.editor.marked import at, marked

#: Programs with a cursor; every place of the name under it is between ``<`` and ``>``.
PLACES = {
    "a constant, not the element of the same name": (
        "let <|m> = 2\nx ~ Normal(<m>, 1)\nfor m in [1, 2]:\n    x ~ Normal(m, 1)\n"
    ),
    "the element of a block": (
        "let m = 2\nx ~ Normal(m, 1)\nfor <m> in [m, 2]:\n    x ~ Normal(<|m>, 1)^<m>\n"
    ),
    "the constant of a block": (
        "for m in [1, 2]:\n    let <q> = m + 1\n    x ~ Normal(<|q>, 1)\nx ~ Normal(0, 1)\n"
    ),
    "the element of a comprehension": (
        "let k = [1, 2]\nx ~ mixture(Normal(<|k>, 1) for <k> in k)\n"
    ),
    "what a scan carries": (
        "let y = [1, 2]\nlet v = scan(<v> = 1: <|v> + e for e in y)\nx ~ Normal(sum(v), 1)\n"
    ),
    "a parameter, and the arguments of calls": (
        "expert e(<|s>, t = 1) = Normal(0, <s>) * Normal(t, <s>)\n"
        "let s = 3\nx ~ e(<s> = s) * e(2)\n"
    ),
    "an expert": "expert <wide>(s) = Normal(0, s)\nx ~ <|wide>(1) * <wide>(2)\n",
    "an input that is not declared": ("x ~ flux_depth(<|depth>) * exp(-sum(<depth>))\n"),
    "a variable": (
        "<x> : Real[2]\n<|x> ~ Normal(0, 1)\n<x>[0] ~ Normal(1, 1)\n"
        "sample <x> by anneal(steps = 3)\nreport sum(<x>), y = 2\n"
    ),
    "an input in a size": "input <|n> : Int = 2\nx : Real[<n>]\nx ~ Normal(0, 1)\n",
    "an input as an option": (
        "input <|c> : Real = 1\nx ~ Normal(0, 1)\n"
        "sample x by anneal(path = temper(base = Normal(<c>, 2)))\n"
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_references_are_all_places_of_a_name(name: str) -> None:
    plain = PLACES[name].replace("|", "")
    document, offset = marked(PLACES[name].replace("<", "").replace(">", ""))
    found = "".join(f"<{part}>" if inside else part for part, inside in _parts(document, offset))
    assert found == plain


def _parts(document: Document, offset: int) -> list[tuple[str, bool]]:
    out, end = [], 0
    for o in references(document, offset):
        out += [(document.text[end : o.span.start], False), (at(document, o.span), True)]
        end = o.span.end
    return [*out, (document.text[end:], False)]


def test_definitions() -> None:
    document, offset = marked("let m = 2\nfor m in [1, 2]:\n    x ~ Normal(|m, 1)\n")
    span = definition(document, offset)
    assert span is not None
    assert (at(document, span), span.start) == ("m", document.text.index("m in"))
    document, offset = marked("x ~ Norm|al(0, 1)")
    assert definition(document, offset) is None
    document, offset = marked("x ~ flux(prompt) * exp(vqascore(pro|mpt))")
    first = definition(document, offset)
    assert first is not None
    assert first.start == document.text.index("prompt")


def test_the_place_of_a_use_statement_leads_to_the_code(tmp_path: Path) -> None:
    code = "import poedsl\n\n\n@poedsl.reward\ndef good(x: poedsl.Real):\n    return x\n"
    (tmp_path / "mine.py").write_text(code)
    document = Document('use good from "mine.py:good"\n', base=tmp_path)
    place = code_of(document, document.text.index("mine"))
    assert place is not None
    assert (place.path, place.line) == ((tmp_path / "mine.py").resolve(), 4)
    assert code_of(document, 0) is None


@pytest.mark.parametrize("name", PLACES)
def test_a_renamed_program_means_the_same(name: str) -> None:
    document, offset = marked(PLACES[name].replace("<", "").replace(">", ""))
    edits = rename(document, offset, "renamed")
    assert edits
    text = apply_fix(document.text, Fix("", edits))
    after = Document(text)
    assert text.count("renamed") == len(edits)
    assert [d.code for d in after.diagnostics] == [d.code for d in document.diagnostics]
    assert rename(after, text.index("renamed"), "renamed")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("let |a = 1\nx ~ Normal(a, 1)", "for"),
        ("let |a = 1\nx ~ Normal(a, 1)", "Normal"),
        ("let |a = 1\nx ~ Normal(a, 1)", "two words"),
        ("let |a = 1\nx ~ Normal(a, 1)", "ä"),
        ("let |a = 1\nlet b = 2\nx ~ Normal(a, b)", "b"),
        ("let |a = 1\nfor b in [1, 2]:\n    x ~ Normal(a, b)", "b"),
        ("for |a in [1, 2]:\n    x ~ Normal(a, b)\nlet b = 1", "b"),
        ('input |prompt : Text = ""\nx ~ flux() * exp(vqascore())', "words"),
        ("let |a = 1\nx ~ Normal(a, 1)\nx ~ Normal(a, (1)", "b"),
        ("expert e(|prompt) = flux(prompt)\nx ~ e()", "words"),
        ("x ~ Norm|al(0, 1)", "b"),
        ("x ~ exp(unkno|wn)", "b"),
    ],
)
def test_what_would_change_the_meaning_is_refused(text: str, name: str) -> None:
    document, offset = marked(text)
    with pytest.raises(RenameError):
        rename(document, offset, name)


@pytest.mark.parametrize("name", [*OTHERS, *(f.name for f in FILES)])
def test_every_name_of_a_program_can_be_renamed(name: str) -> None:
    texts = {**OTHERS, **{f.name: f.read_text(encoding="utf-8") for f in FILES}}
    base = FILES[0].parent
    document = Document(texts[name], base=base)
    first = {o.binding: o for o in document.occurrences if o.binding is not None}
    ambient = {n for n, i in document.inputs.items() if i.origin == "ambient"}
    for binding, occurrence in first.items():
        assert renamable(document, occurrence.span.start) is not None
        if binding.kind == "input" and (
            binding.name in ambient or _is_taken(document, binding.name)
        ):
            continue
        edits = rename(document, occurrence.span.start, "quite_new")
        renamed = Document(apply_fix(document.text, Fix("", edits)), base=base)
        assert renamed.compiled.ok == document.compiled.ok


def _is_taken(document: Document, name: str) -> bool:
    """Whether an expert of the program takes an input of this name without naming it."""
    called = {o.name for o in document.occurrences if o.role == "function"}
    signatures = [document.signatures[c] for c in called if c in document.signatures]
    return any(p.name == name and p.ambient for s in signatures for p in s.parameters)


def test_the_outline() -> None:
    document = Document(
        "input s : Real = 1\nlet c = 2\nx ~ Normal(s, c)\nx ~ Normal(0, 1)\n"
        "for m in [1, 2]:\n    x ~ Normal(m, 1)\nsample x by anneal(steps = 2)\nreport x\n"
    )
    symbols = outline(document)
    assert [s.kind for s in symbols] == [
        *("input", "constant", "variable", "factor", "loop", "options", "report")
    ]
    assert [s.kind for s in symbols[4].inner] == ["factor"]
    assert all(s.span.start <= s.name_span.start <= s.name_span.end <= s.span.end for s in symbols)
