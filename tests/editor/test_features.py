"""What an editor shows of a program: hover, completion, signatures, hints, tokens, changes."""

from __future__ import annotations

import pytest

from poedsl.compiler.plan.options import OPTIONS
from poedsl.editor.completion import Completion, completions
from poedsl.editor.document import Document
from poedsl.editor.edits import actions, formatting
from poedsl.editor.hover import hover
from poedsl.editor.inlay_hints import inlay_hints
from poedsl.editor.semantic_tokens import semantic_tokens
from poedsl.editor.signature_help import signature_help
from poedsl.editor.words import EXPERT_WORDS, FUNCTION_WORDS, TYPE_WORDS
from poedsl.grammar.diagnostics import Fix
from poedsl.grammar.formatting.format import format_source
from poedsl.grammar.recovery.apply_fixes import apply_fix
from poedsl.grammar.source import Span
from tests.editor.marked import at, marked


def shown(text: str) -> str:
    document, offset = marked(text)
    found = hover(document, offset)
    return "" if found is None else found.text


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("input s : Real = 2\nx ~ Normal(|s, 1)", ["input s : Real = 2"]),
        ("let c = 2 * |a\nx ~ Normal(c, 1)\n", ["P0201"]),
        ("let |c = [1, 2 * 3]\nx ~ Normal(sum(c), 1)", ["constant c : Int[2] = [1, 6]"]),
        ("|x : Real[3]\nx ~ Normal(0, 1)", ["variable x : Real[3]"]),
        ("x ~ flux_depth(dep|th)", ["input depth : Depth", "not declared"]),
        ("x ~ Nor|mal(0, 1)", ["Normal(loc: numbers", "standard deviation", "log_prob"]),
        ("x ~ Normal(0, sca|le = 1)", ["scale: numbers", "standard deviation"]),
        ("x ~ exp(-log|sumexp(x))", ["logsumexp("]),
        ("x ~ Normal(0, 1) * wh|ere(x > 0)", ["where(condition)"]),
        ("expert e(s: Real = 2) = Normal(0, s)\nx ~ |e()", ["e(s: Real = 2)", "Normal(0, s)"]),
        ("expert e(s: Real = 2) = Normal(0, |s)\nx ~ e()", ["parameter s: Real = 2"]),
        ("for m in [1.5, 2]:\n    x ~ Normal(|m, 1)", ["element m : Real"]),
        ("x ~ Normal(0, 1)\nsample x by anneal(parti|cles = 9)", ["how many particles"]),
        ("x ~ Normal(0, 1)\nsample x by anneal(kernel = ma|la())", ["mala(steps = 1"]),
        (
            "x ~ Normal(0, 1)\nsample x by anneal(kernel = mala(ste|ps = 2))",
            ["steps = 1", "a whole number of at least 1"],
        ),
        ("x : Re|al[2]\nx ~ Normal(0, 1)", ["Real", "any number of sizes"]),
        ("le|t c = 1\nx ~ Normal(c, 1)", ["`let`"]),
        ("x ~ Nrm|al(0, 1)", ["P0202"]),
        ("x ~ Normal(0, 1) +* Nor|mal(0, 1)", ["Normal(loc"]),
        ("x ~ Normal(0, 1) | ", []),
    ],
)
def test_hover(text: str, parts: list[str]) -> None:
    found = shown(text)
    assert bool(found) == bool(parts)
    assert all(part in found for part in parts), found


def offered(text: str) -> dict[str, Completion]:
    return {c.word: c for c in completions(*marked(text))}


FORMS = [f.name for f in OPTIONS["kernel"].forms if f.available]


@pytest.mark.parametrize(
    ("text", "wanted", "unwanted"),
    [
        ("|", ["let", "sample", "report"], ["Normal", "from"]),
        ("let c = 1\nx ~ Normal(c, 1)\n|", ["x", "c", "let"], ["Normal"]),
        ("x ~ No|", ["Normal", "mixture", "where", "exp", "sum"], ["let"]),
        ("input s : Real\nx ~ Normal(|", ["loc", "scale", "s", "Normal"], ["let"]),
        ("x ~ Normal(0, |", ["scale"], ["loc"]),
        ("x ~ Normal(scale = 1, |", ["loc"], ["scale"]),
        ("x ~ Normal(0, scale = |", ["exp"], ["scale", "loc"]),
        ("x ~ flux_depth(depth)\nx ~ exp(sum(|", ["depth", "prompt"], []),
        ("x : |", list(TYPE_WORDS), ["Normal"]),
        ("input x : |", list(TYPE_WORDS), ["Normal"]),
        ("expert e(a, b: |", list(TYPE_WORDS), ["Normal"]),
        ("expert e(a, b) = Normal(|", ["a", "b", "loc"], []),
        ("expert e(s) = Normal(0, s)\nx ~ |\n", ["e", "Normal"], ["s"]),
        ("x ~ Normal(0, 1)\nsample |", ["x"], ["Normal"]),
        ("x ~ Normal(0, 1)\nsample x |", ["by"], ["x"]),
        ("x ~ Normal(0, 1)\nsample x by |", ["anneal"], ["by"]),
        ("x ~ Normal(0, 1)\nsample x by anneal(|", list(OPTIONS), ["Normal"]),
        ("x ~ Normal(0, 1)\nsample x by anneal(steps = 3, |", ["particles"], ["steps"]),
        ("x ~ Normal(0, 1)\nsample x by anneal(kernel = |", FORMS, ["Normal", "steps"]),
        ("x ~ Normal(0, 1)\nsample x by anneal(kernel = mala(|", ["steps", "adapt"], ["leaps"]),
        (
            "x ~ Normal(0, 1)\nsample x by anneal(normalize_exponents = |",
            ["true", "false"],
            ["none"],
        ),
        ("let m = 1\nfor k in [1, 2]:\n    x ~ Normal(|\n", ["k", "m"], []),
        ("for k in [1, 2]:\n    x ~ Normal(k, 1)\nx ~ Normal(|", ["x"], ["k"]),
        ("for k in [1, 2]:\n    x ~ Normal(k, 1)\n    x ~ Normal(|", ["x", "k"], []),
        ("x ~ mixture(Normal(0, 1) for k |", ["in"], []),
        ("x ~ mixture(Normal(0, 1) |", ["for", "and"], ["given", "Normal"]),
        ("x ~ Normal(0, 1) |", ["given"], ["for", "Normal"]),
        ("x ~ flux() given |", ["x"], ["Normal"]),
        ("use f |", ["from"], ["Normal"]),
        ("let v = scan(a = 0, b = 1: b, a for e in [1, 2])\nlet w = v.|", ["a", "b"], ["sum"]),
        ("# a |", [], ["let"]),
        ('let c = "|', [], ["Normal"]),
        ("let c = 1|", [], ["Normal"]),
        ("let |", [], ["Normal"]),
    ],
)
def test_completion(text: str, wanted: list[str], unwanted: list[str]) -> None:
    found = offered(text)
    assert [w for w in wanted if w not in found] == []
    assert [w for w in unwanted if w in found] == []


def test_completion_offers_every_expert_and_function_with_its_page() -> None:
    found = offered("x ~ |")
    for word in (*EXPERT_WORDS, *FUNCTION_WORDS):
        assert found[word].detail.startswith(f"{word}(")
        assert found[word].page
    assert offered("x ~ Normal(|")["scale"].insert == "scale = "


@pytest.mark.parametrize(
    ("text", "label", "active"),
    [
        ("x ~ Normal(|", "Normal(loc", 0),
        ("x ~ Normal(0, |", "Normal(loc", 1),
        ("x ~ Normal(scale = |", "Normal(loc", 1),
        ("x ~ Normal([0, 1], |", "Normal(loc", 1),
        ("x ~ Normal([0, |", "Normal(loc", 0),
        ("x ~ Normal(0, 1, |", "Normal(loc", None),
        ("x ~ Normal(max(1, |2), 1)", "max(", 1),
        ("x ~ Normal(max(1, 2), |1)", "Normal(loc", 1),
        ("expert e(a, b = 2) = Normal(a, b)\nx ~ e(1, |", "e(a, b = 2)", 1),
        ("x ~ exp(|", "exp(", None),
        ("x ~ Normal(0, 1)\nsample x by anneal(steps = |", "anneal(", 1),
        ("x ~ Normal(0, 1)\nsample x by anneal(kernel = hmc(leaps = |", "hmc(", 1),
        ("x ~ Normal(0, 1)|", "", None),
        ("x ~ unknown(|", "", None),
        ("x ~ (|", "", None),
    ],
)
def test_signature_help(text: str, label: str, active: int | None) -> None:
    found = signature_help(*marked(text))
    assert ("" if found is None else found.called.label).startswith(label)
    assert (found is None) == (label == "")
    assert found is None or found.active == active
    for parameter in found.called.parameters if found else ():
        assert parameter.label in found.called.label  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "hinted"),
    [
        ("x ~ Normal(0, 1)", "x‹: Real› ~ Normal(0, 1)"),
        ("x : Real\nx ~ Normal(0, 1)^2", "x : Real\nx ~ Normal(0, 1)^2"),
        (
            "x : Real\nx ~ (Normal(0, 1) * Normal(1, 1)^2)^3 / Normal(0, 9)",
            "x : Real\nx ~ (Normal(0, 1)‹^3› * Normal(1, 1)^2‹= 6›)^3 / Normal(0, 9)‹^-1›",
        ),
        (
            "x : Image[3, 8, 8]\nx ~ flux_depth(d)",
            "x : Image[3, 8, 8]\nx ~ flux_depth(d‹: Depth[8, 8]›‹, prompt: Text›)",
        ),
        (
            'input prompt : Text = "a"\nx : Image[3, 8, 8]\nx ~ flux()',
            'input prompt : Text = "a"\nx : Image[3, 8, 8]\nx ~ flux(‹prompt: Text›)',
        ),
        (
            "x : Real\nfor m in [1, 2]:\n    x ~ Normal(m, 1)^m",
            "x : Real\nfor m in [1, 2]:\n    x ~ Normal(m, 1)^m‹= 1, 2›",
        ),
        ("x : Real\nx ~ Nrmal(0, 1)", "x : Real\nx ~ Nrmal(0, 1)"),
    ],
)
def test_inlay_hints(text: str, hinted: str) -> None:
    document, out, end = Document(text), "", 0
    for hint in inlay_hints(document):
        out += f"{text[end : hint.offset]}‹{hint.label}›"
        end = hint.offset
    assert out + text[end:] == hinted


def test_semantic_tokens() -> None:
    text = (
        "expert e(s: Real) = Normal(0, s)  # wide\nreport = 2\n"
        'let c = "é" \nx ~ e(s = 1) * exp(c)\nfor m in [1]:\n    x ~ Normal(m, d)\n'
        "sample x by anneal(kernel = mala(steps = 1))\nreport x, y = 2 * x\n"
    )
    tokens = [(at(Document(text), t.span), t.type) for t in semantic_tokens(Document(text))]
    for wanted in [
        ("expert", "keyword"),
        ("e", "class"),
        ("s", "parameter"),
        ("Real", "type"),
        ("Normal", "class"),
        ("# wide", "comment"),
        ('"é"', "string"),
        ("exp", "function"),
        ("m", "variable"),
        ("kernel", "property"),
        ("mala", "function"),
        ("report", "keyword"),
        ("y", "property"),
        ("~", "operator"),
    ]:
        assert wanted in tokens, wanted
    assert ("report", "keyword") not in tokens[: tokens.index(('"é"', "string"))]


def test_formatting_changes_only_the_lines_that_differ() -> None:
    text = "let a = 1\nx~Normal( a,1 )\n\n\n\nx ~ Normal(0, 1)"
    document = Document(text)
    edits = formatting(document)
    assert apply_fix(text, Fix("", edits)) == format_source(text)
    assert all(e.span.start >= text.index("x~") for e in edits)
    assert formatting(Document(format_source(text))) == ()
    assert formatting(Document("x ~ Normal(")) == ()


def test_actions_are_the_fixes() -> None:
    text = "let wide = 2\nx ~ Nrmal(0, wied)\n"
    document = Document(text)
    place = text.index("wied")
    (first, *_) = actions(document, Span(place, place))
    assert first.diagnostic is not None
    assert apply_fix(text, Fix("", first.edits)) == text.replace("wied", "wide")
    assert [a for a in actions(document, Span(0, 3)) if a.diagnostic] == []
    every = list(actions(Document("x ~ Normal(0, 1) ** 2\n"), Span(0, 0)))
    assert every[-1].diagnostic is None
    assert apply_fix("x ~ Normal(0, 1) ** 2\n", Fix("", every[-1].edits)).count("^") == 1
