"""The programs of the reference compile and run, and its tables are those of the code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pytest

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Family, Signature
from poedsl.compiler.codes import CODES
from poedsl.compiler.compile import compile_source
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.option_forms import KINDS, Form, Option, OptionArgument
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.plan.text import print_term
from poedsl.grammar.formatting.format import format_source
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source
from poedsl.grammar.tokens import KEYWORDS
from poedsl.grammar.types import RANKS
from tests.docs.grammar import ebnf

ROOT = Path(__file__).parents[2]
LANGUAGE = ROOT / "docs" / "language.md"
TEXT = LANGUAGE.read_text(encoding="utf-8")


class Block(NamedTuple):
    """A fenced block: its first line, the words after its fence, its content."""

    line: int
    words: tuple[str, ...]
    text: str


def blocks(text: str) -> Iterator[Block]:
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(line, tuple(found[1].split()), found[2])


PROGRAMS = [b for b in blocks(TEXT) if b.words[:1] == ("poe",)]


def reported_codes(block: Block, *severities: str) -> set[str]:
    strict = "P0205" in block.words
    compiled = compile_source(Source(block.text), strict=strict, base=ROOT / "docs" / "tutorial")
    return {d.code for d in compiled.diagnostics if d.severity in severities}


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda b: f"line {b.line}")
def test_programs(block: Block) -> None:
    match block.words[1:]:
        case () | ("run",):
            assert reported_codes(block, "error", "warning") == set()
        case ("wrong", code):
            assert reported_codes(block, "error") == {code}
        case ("lint", *codes):
            assert reported_codes(block, "error", "warning", "note") == set(codes)
        case other:
            raise AssertionError(f"line {block.line}: `poe {' '.join(other)}`")


@pytest.mark.slow
@pytest.mark.parametrize(
    "block", [b for b in PROGRAMS if "run" in b.words], ids=lambda b: f"line {b.line}"
)
def test_programs_that_run(block: Block) -> None:
    import poedsl

    few: dict[str, Any] = {"particles": 48, "steps": 6}
    options = {k: v for k, v in few.items() if f"{k} =" not in block.text}
    result = poedsl.compile(block.text).run(seed=0, **options)
    assert result.outcome.ok, result.outcome


@pytest.mark.parametrize("block", PROGRAMS, ids=lambda b: f"line {b.line}")
def test_programs_are_in_canonical_form(block: Block) -> None:
    if not parse(Source(block.text))[1]:
        assert format_source(block.text) == block.text


def test_messages_are_those_of_the_compiler(request: pytest.FixtureRequest) -> None:
    """A block of text after a program is the output of `poe check`."""
    every = list(blocks(TEXT))
    pairs = [(a, b) for a, b in pairwise(every) if b.words == ("text",)]
    assert pairs
    text = TEXT
    for program, shown in pairs:
        compiled = compile_source(Source(program.text, "example.poe"))
        said = render_text(compiled.diagnostics, compiled.source) + "\n"
        fence = f"{program.text}```\n\n```text\n"
        text = text.replace(f"{fence}{shown.text}```", f"{fence}{said}```")
    rewrite(request, text)


def rewrite(request: pytest.FixtureRequest, text: str) -> None:
    if request.config.getoption("--update-goldens"):
        LANGUAGE.write_text(text, encoding="utf-8", newline="\n")
    assert text == LANGUAGE.read_text(encoding="utf-8"), "run pytest --update-goldens"


# Tables, each between two comments, are generated from the code.


def table(head: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: object) -> str:
    return f"`{text}`"


def functions() -> str:
    rows = ((code(f), f.summary, code(f.example)) for f in FUNCTIONS.values())
    return table(("function", "gives", "example"), rows)


def experts(family: str) -> str:
    def row(s: Signature) -> tuple[str, ...]:
        takes = ", ".join(parameter(p.name, p.default) for p in s.parameters)
        able = ", ".join(sorted(s.capabilities))
        runs = "yes" if s.implementation else "plans only"
        cells = {
            "density": (code(f"{s.name}({takes})"), s.summary, str(s.support), able),
            "source": (
                code(f"{s.name}({takes})"),
                s.summary,
                ", ".join(code(f".{r.name} : {r.type}" if r.name else r.type) for r in s.returns),
                runs,
            ),
        }
        over = " or ".join(map(code, s.domains)) or "numbers"
        return cells.get(family, (code(f"{s.name}({takes})"), s.summary, over, runs))

    heads = {
        "density": ("density", "is", "support", "can"),
        "flow": ("model", "is", "over", "runs"),
        "tokens": ("model", "is", "over", "runs"),
        "reward": ("reward", "is", "scores", "runs"),
        "source": ("source", "is", "returns", "runs"),
    }
    return table(heads[family], (row(s) for s in SIGNATURES.values() if s.family == family))


def parameter(name: str, default: object) -> str:
    if default.__class__.__name__ == "Required":
        return name
    shown = "none" if default is None else json.dumps(default)
    return f"{name} = {shown}"


def options() -> str:
    def row(o: Option) -> tuple[str, ...]:
        takes = "<br>".join(form(f) for f in o.forms) if o.forms else KINDS[o.kind]
        return code(o.name), o.summary, takes

    return table(("option", "says", "values"), (row(o) for o in OPTIONS.values()))


def form(f: Form) -> str:
    written = f"{f.name}({', '.join(map(argument, f.arguments))})"
    said = f": {f.summary}" if f.summary else ""
    return f"`{written}`{said}{'' if f.available else ' (plans only)'}"


def argument(a: OptionArgument) -> str:
    if a.kind == "rule":
        return f"{a.name} = ess < 0.5"
    if a.kind == "image":
        return a.name
    return f"{a.name} = {print_term(Const(a.default))}"


def codes() -> str:
    rows = ((code(c), CODES[c].title) for c in sorted(CODES))
    return table(("code", "means"), rows)


def reserved() -> str:
    return "    " + " ".join(sorted(KEYWORDS)) + "\n"


def grammar() -> str:
    lark = (ROOT / "poedsl" / "grammar" / "poe.lark").read_text(encoding="utf-8")
    return f"```ebnf\n{ebnf(lark)}```\n"


GENERATED: dict[str, Callable[[], str]] = {
    "functions": functions,
    **{f"experts {family}": partial(experts, family) for family in get_args(Family)},
    "options": options,
    "codes": codes,
    "reserved": reserved,
    "grammar": grammar,
}


@pytest.mark.parametrize("name", GENERATED)
def test_tables_are_those_of_the_code(name: str, request: pytest.FixtureRequest) -> None:
    """``--update-goldens`` writes them."""
    text = LANGUAGE.read_text(encoding="utf-8")
    start = text.index(f"<!-- {name} -->\n") + len(f"<!-- {name} -->\n")
    end = text.index("<!-- end -->", start)
    rewrite(request, f"{text[:start]}\n{GENERATED[name]()}\n{text[end:]}")


def test_every_type_has_a_row() -> None:
    section = TEXT[TEXT.index("## Types and sizes") : TEXT.index("## Regions and conditioning")]
    named = re.findall(r"^\| `([A-Z][a-z]+)", section, re.M)
    assert named == list(RANKS)


def test_every_default_has_a_row() -> None:
    """The table of what is chosen names every option."""
    section = TEXT[TEXT.index("### What the compiler chooses") : TEXT.index("## Errors and lints")]
    named = re.findall(r"^\| `([a-z_]+)` \|", section, re.M)
    assert sorted(named) == sorted(OPTIONS)


def plan_of(text: str) -> PlanSpec:
    plan = compile_source(Source(text)).plan
    assert plan is not None
    return plan


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x ~ Normal(0, 1)", "particles = 1000, steps = 96, kernel = mala(steps = 1), ais"),
        ("x ~ digits()", "particles = 16, steps = 50, kernel = langevin(steps = 1), fkc"),
        ("input m : Mask\nx ~ digits()^m", "particles = 16, steps = 50, langevin, none"),
    ],
)
def test_defaults_of_programs(text: str, wanted: str) -> None:
    plan = plan_of(text)
    shown = {o.name: print_term(o.value) for o in plan.options}
    particles, steps, kernel, correct = wanted.split(", ")
    assert f"particles = {shown['particles']}" == particles
    assert f"steps = {shown['steps']}" == steps
    assert kernel.removeprefix("kernel = ").rstrip(")") in shown["kernel"]
    assert shown["correct"].startswith(correct)


def test_sections_are_linked() -> None:
    """The contents at the top name every section."""
    heads = re.findall(r"^## (.+)$", TEXT, re.M)
    linked = re.findall(r"^- \[(.+)\]\(#(.+)\)$", TEXT, re.M)
    assert [name for name, _ in linked] == heads
    for name, anchor in linked:
        assert re.sub(r"[^a-z0-9 -]", "", name.lower()).replace(" ", "-") == anchor
