"""The text of a diagnostic, line by line."""

from __future__ import annotations

import re
from textwrap import dedent

from poedsl.grammar.diagnostics import Diagnostic, Fix, Label
from poedsl.grammar.errors import PoeError
from poedsl.grammar.render import WIDTH, render_text, summary
from poedsl.grammar.source import Source, Span


def span(text: str, part: str, start: int = 0) -> Span:
    at = text.index(part, start)
    return Span(at, at + len(part))


def rendered(d: Diagnostic, text: str, name: str = "cat.poe") -> str:
    return render_text([d], Source(text, name))


def shape(text: str) -> str:
    return dedent(text).strip("\n")


CAT = """\
depth = load("d.png") : depth_map
mask = load("m.png")
# nothing
x ~ flux_depth(depth) * flux_fill(depth) * exp(vqascore(prompt))
"""


def test_the_look() -> None:
    at = CAT.index("flux_fill(") + len("flux_fill(")
    d = Diagnostic(
        "P0203",
        "factor `flux_fill` needs a mask image",
        Span(at, at + 5),
        here="this is a depth map",
        labels=(Label(span(CAT, "depth"), "`depth` is declared as a depth map here"),),
        notes=("flux_fill(mask: Mask, ...) -> Image",),
        fixes=(Fix("there is a mask in scope: `mask`"),),
    )
    assert rendered(d, CAT) == shape(
        """
        error[P0203]: factor `flux_fill` needs a mask image
          --> cat.poe:4:35
          |
        1 | depth = load("d.png") : depth_map
          | ----- `depth` is declared as a depth map here
        ...
        4 | x ~ flux_depth(depth) * flux_fill(depth) * exp(vqascore(prompt))
          |                                   ^^^^^ this is a depth map
          |
          = help: there is a mask in scope: `mask`
          = note: flux_fill(mask: Mask, ...) -> Image

        1 error
        """
    )


def test_several_on_one_line() -> None:
    text = "alpha beta gamma\n"
    d = Diagnostic(
        "P0301",
        "odd",
        span(text, "beta"),
        here="the middle",
        labels=(Label(span(text, "alpha"), "first"), Label(span(text, "gamma"), "last")),
    )
    assert rendered(d, text) == shape(
        """
        error[P0301]: odd
          --> cat.poe:1:7
          |
        1 | alpha beta gamma
          | ----- ^^^^ ----- last
          | |     |
          | |     the middle
          | first

        1 error
        """
    )


def test_one_inside_the_other() -> None:
    text = "alpha beta gamma\n"
    d = Diagnostic(
        "P0301",
        "odd",
        Span(0, 16),
        here="all of it",
        labels=(Label(span(text, "beta"), "a part"),),
    )
    assert rendered(d, text) == shape(
        """
        error[P0301]: odd
          --> cat.poe:1:1
          |
        1 | alpha beta gamma
          | ^^^^^^^^^^^^^^^^
          | |     |
          | |     a part
          | all of it

        1 error
        """
    )


def test_a_gap_of_one_line_is_shown() -> None:
    text = "a\nb\nc\n"
    d = Diagnostic("P0301", "odd", Span(4, 5), labels=(Label(Span(0, 1), "see"),))
    assert rendered(d, text) == shape(
        """
        error[P0301]: odd
          --> cat.poe:3:1
          |
        1 | a
          | - see
        2 | b
        3 | c
          | ^

        1 error
        """
    )


def test_a_span_over_lines() -> None:
    text = "f(\n    a,\n\n    b\n)\n"
    d = Diagnostic("P0301", "odd", Span(0, len(text) - 1), here="all of it")
    assert rendered(d, text) == shape(
        """
        error[P0301]: odd
          --> cat.poe:1:1
          |
        1 | f(
          | ^^
        2 |     a,
          |     ^^
        ...
        5 | )
          | ^ all of it

        1 error
        """
    )


def test_tabs_and_wide_characters() -> None:
    text = "\tf(\t日本, e\u0301x)"
    d = Diagnostic("P0301", "odd", span(text, "x"), labels=(Label(span(text, "日本"), "two"),))
    assert rendered(d, text) == (
        "error[P0301]: odd\n"
        "  --> cat.poe:1:11\n"
        "  |\n"
        "1 |     f(  日本, e\u0301x)\n"
        "  |         ----   ^\n"
        "  |         |\n"
        "  |         two\n"
        "\n"
        "1 error"
    )


def columns(text: str) -> tuple[str, str]:
    """The line shown and the line of marks, without the frame."""
    lines = text.splitlines()
    return lines[3][4:], lines[4][4:]


def test_long_lines_are_cut_around_the_span() -> None:
    for at in (0, 60, 250, 480):
        text = "a" * at + "XYZ" + "b" * (500 - at)
        line, marks = columns(rendered(Diagnostic("P0301", "odd", Span(at, at + 3)), text))
        assert len(line) <= WIDTH + 2
        assert line[marks.index("^") : marks.index("^") + 3] == "XYZ"
        assert marks.count("^") == 3
        assert line.startswith("…") == (at > 60)
        assert line.endswith("…") == (at < 450)


def test_a_long_span_is_cut() -> None:
    text = "(" + "日" * 300 + ")"
    line, marks = columns(rendered(Diagnostic("P0301", "odd", Span(0, 302)), text))
    assert marks.count("^") <= WIDTH
    assert line.endswith("…")


def test_the_end_of_the_file() -> None:
    for text, place in (("x ~", "1:4"), ("x ~\n", "2:1")):
        d = Diagnostic("P0102", "early", Span(len(text), len(text)), here="here")
        assert f"cat.poe:{place}\n" in rendered(d, text)
        assert "^ here" in rendered(d, text)


def test_spans_out_of_the_file_are_drawn_in() -> None:
    assert "cat.poe:1:4" in rendered(Diagnostic("P0102", "early", Span(7, 9)), "x ~")


def test_without_a_place() -> None:
    assert rendered(Diagnostic("P0701", "gone"), "") == (
        "error[P0701]: gone\n --> cat.poe\n\n1 error"
    )
    assert render_text([Diagnostic("P0701", "gone", notes=("so",))], Source("", "")) == (
        "error[P0701]: gone\n = note: so\n\n1 error"
    )
    assert str(PoeError((Diagnostic("P0701", "gone"),))) == "error[P0701]: gone\n\n1 error"


def test_nothing_is_nothing() -> None:
    assert render_text([], Source("x")) == ""


def test_warnings_and_counts() -> None:
    found = [
        Diagnostic("P0801", "a", Span(0, 1), "warning"),
        Diagnostic("P0802", "b", Span(0, 1), "note"),
        Diagnostic("P0301", "c", Span(0, 1)),
        Diagnostic("P0301", "d", Span(0, 1)),
    ]
    text = render_text(found, Source("x"))
    assert text.startswith("warning[P0801]: a\n")
    assert "\n\nnote[P0802]: b\n" in text
    assert text.endswith("\n\n2 errors, 1 warning")
    assert summary(found[:2]) == "1 warning"
    assert render_text(found[1:2], Source("x")).endswith("| ^")


def test_the_first_of_very_many() -> None:
    found = [Diagnostic("P0301", f"odd {k}", Span(0, 1)) for k in range(1003)]
    text = render_text(found, Source("x"))
    assert text.endswith("| ^\n\n... and 3 more; JSON output lists all\n\n1003 errors")
    assert "odd 999\n" in text and "odd 1000" not in text
    assert "..." not in render_text(found[:1000], Source("x"))


def test_lines_of_a_note_are_aligned() -> None:
    text = render_text([Diagnostic("P0701", "gone", notes=("one\ntwo",))], Source("", ""))
    assert " = note: one\n         two" in text


def test_colour_only_when_asked() -> None:
    d = Diagnostic("P0301", "odd", Span(0, 1), here="h", fixes=(Fix("do"),), notes=("n",))
    plain = render_text([d], Source("x"))
    colour = render_text([d], Source("x"), color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31m" in colour
    assert re.sub(r"\x1b\[[0-9;]*m", "", colour) == plain


def test_nothing_that_a_terminal_acts_on() -> None:
    text = "a\x1b[31mb\u202ec\x07\rd\u2028"
    d = Diagnostic("P0301", f"odd {text}", Span(0, len(text)), here=text, notes=(text,))
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e\u2028]", rendered(d, text, text))
