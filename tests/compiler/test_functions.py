"""The functions of the language: their table, arguments, types, and values at constants."""

from __future__ import annotations

import math

import pytest

from poedsl.compiler.functions.function import Function
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, measure, names
from poedsl.compiler.plan.text import parse_plan, print_plan
from poedsl.compiler.verification.verify import verify
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.source import Span
from tests.compiler.programs import compiled

INPUTS = """\
input mask : Mask[48, 64]
input depth : Depth
input image : Image[3, 48, 64]
input video : Video[16, 3, 48, 64]
input layout : Layout
input prompt : Text
input c : Real[4]
input s : Real
input words : Tokens[9]
"""


def found(expression: str) -> list[Diagnostic]:
    """The errors of a constant."""
    text = f"{INPUTS}let a = {expression}\nx ~ Normal(0, 1)\n"
    return [d for d in compiled(text).diagnostics if d.is_error]


def plan(text: str) -> PlanSpec:
    made = compiled(INPUTS + text)
    assert made.plan is not None, made.diagnostics
    return made.plan


def typed(expression: str) -> str:
    (let,) = plan(f"let a = {expression}\nx ~ Normal(0, 1)\n").lets
    return str(let.type)


def term(expression: str) -> Term:
    """What an expression in inputs is once it is compiled."""
    (let,) = plan(f"let a = {expression}\nx ~ Normal(0, 1)\n").lets
    return let.term


def value(expression: str) -> object:
    (factor,) = plan(f"x ~ Normal({expression}, 1)\n").factors
    assert isinstance(factor.term, Apply)
    loc = dict(factor.term.kwargs)["loc"]
    assert isinstance(loc, Const), loc
    return loc.value


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=str)
def test_examples_compile(function: Function) -> None:
    assert found(function.example) == []
    assert function.example.startswith(f"{function.name}(")
    assert "\n" not in function.summary


@pytest.mark.parametrize(
    "expression, expected",
    [
        ("lgamma([1, 2, 5])", (0, 0, math.lgamma(5))),
        ("tan(0)", 0),
        ("tanh([0, 100])", (0, 1)),
        ("sigmoid([-1000, 0, 1000])", (0, 0.5, 1)),
        ("softplus([-1000, 0, 1000])", (0, math.log(2), 1000)),
        ("floor([-0.5, 2])", (-1, 2)),
        ("round([0.5, 1.5, -0.6])", (0, 2, -1)),
        ("clamp([-1, 0.5, 3], 0, 1)", (0, 0.5, 1)),
        ("clamp(x = 3, high = 1, low = 0)", 1),
        ("clamp(2, [0, 3], [1, 4])", (1, 3)),
        ("sign([-2.5, 0, 3])", (-1, 0, 1)),
        ("dot([1, 2], [3, 4])", 11),
        ("prod([[1, 2], [3, 4]])", 24),
        ("var([1, 3])", 1),
        ("std([1, 3])", 1),
        ("length([[1, 2]])", 1),
        ("length(c)", 4),
        ('length("a horse")', 7),
        ("concat([1], [2, 3])", (1, 2, 3)),
        ("range(stop = 4, start = 1)", (1, 2, 3)),
        ("range(4, step = 2)", (0, 2)),
        ("linspace(0, count = 3, stop = 1)", (0, 0.5, 1)),
        ("range(floor(2.5))", (0, 1)),
        ("sum(m^2 for m in [1, 2, 3])", 14),
        ("max(m for m in linspace(0, 1, 3))", 1),
        ("min([m, -m] for m in [1, 2])", -2),
        ("prod(m for m in range(1, 5))", 24),
        ("mean(sum(m * n for n in [1, 2]) for m in [1, 3])", 6),
        ("sum(sum(row) for row in [[1, 2], [3, 4]])", 10),
        ("([[1, 2], [3, 4]] @ [1, 1])[1]", 7),
        ("[1, 1] @ [[1, 2], [3, 4]]", (4, 6)),
        ("[[1, 2], [3, 4]] @ [[0, 1], [1, 0]]", ((2, 1), (4, 3))),
        ("2 * [1, 2] @ [3, 4]", 22),
        ("range(3) @ range(3)", 5),
        ("-[1, 2] @ [3, 4]^2", -41),
        ("[[1, 2, 3], [4, 5, 6]].T", ((1, 4), (2, 5), (3, 6))),
        ("sum([[1, 2], [3, 4]], axis = 0)", (4, 6)),
        ("mean([[1, 2], [3, 4]], axis = 1)", (1.5, 3.5)),
        ("[m^2 for m in [1, 2, 3]]", (1, 4, 9)),
        ("sum(m for m in range(5000))", 12497500),
        ("where([1, -1] > 0, 10, 20)", (10, 20)),
        ("sum(2 * ([1, -1, 3] > 0))", 4),
        ("-(1 > 0) + (2 > 1)", 0),
        ("[10, 20, 30][[2, 0, -1]]", (30, 10, 30)),
        ("[[1, 2], [3, 4]][:, [1, 0]]", ((2, 1), (4, 3))),
        ("cumsum([[1, 2], [3, 4]], axis = 1)", ((1, 3), (3, 7))),
        ("sort([3, 1, 2])", (1, 2, 3)),
        ("cumprod([[1, 2], [3, 4]])", ((1, 2), (3, 8))),
        ("diff([[1, 2], [3, 5]])", ((1,), (2,))),
        ("diff([[1, 2], [3, 5]], axis = 0)", ((2, 3),)),
        ("mod([-1, 5], 3)", (2, 2)),
        ("mod(-0.5, 2)", 1.5),
        ("median([3, 1, 2])", 2),
        ("median([[1, 2], [3, 5]], axis = 0)", (2, 3.5)),
        ("quantile([0, 10], 0.25)", 2.5),
        ("det([[0, 2], [3, 0]])", -6),
        ("det([[1, 2], [2, 4]])", 0),
        ("det([[1, 0], [0, 1e-20]])", 1e-20),
        ("diag([1, 2])", ((1, 0), (0, 2))),
        ("diag([[1, 2], [3, 4]])", (1, 4)),
        ("identity(2)", ((1, 0), (0, 1))),
        ("zeros(2) + ones(2, 2)", ((1, 1), (1, 1))),
    ],
)
def test_values_at_constants(expression: str, expected: object) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    "expression, type_",
    [
        ("blur(mask, 8)", "Mask[48, 64]"),
        ("blur(1 - mask, 8)", "Real[48, 64]"),
        ("blur(depth, radius = s)", "Depth"),
        ("crop(mask, box(0, 0, 0.5, 1))", "Mask[48, 32]"),
        ("crop(depth, box(0, 0, 0.5, 1))", "Depth"),
        ("crop(video, box(0, 0, 0.5, 0.5))", "Video[16, 3, 24, 32]"),
        ("crop(video, frames(4, 12))", "Video[8, 3, 48, 64]"),
        ("video[frames(0, 4)]", "Video[4, 3, 48, 64]"),
        ("resize(image, 8, width = 2 * 8)", "Image[3, 8, 16]"),
        ("resize(depth, 8, 16)", "Depth[8, 16]"),
        ("grey(image)", "Image[1, 48, 64]"),
        ("grey(video)", "Video[16, 1, 48, 64]"),
        ("dot(c, [1, 2, 3, 4])", "Real"),
        ("concat(c, [1, 2])", "Real[6]"),
        ("concat(video, video)", "Video[32, 3, 48, 64]"),
        ("round(c)", "Int[4]"),
        ("max(c, 0)", "Real[4]"),
        ("clamp(s, [0, 1], 2)", "Real[2]"),
        ("all(c > 0)", "Bool"),
        ("any(c[i] > i for i in range(4))", "Bool"),
        ("sum(abs(s - m) for m in [1, 2])", "Real"),
        ("sum(m for m in c)", "Real"),
        ("[m * s for m in c]", "Real[4]"),
        ("[[m * n for m in c] for n in range(3)]", "Real[3, 4]"),
        ("sum(outer(c, [1, 2]), axis = 0)", "Real[2]"),
        ("max(outer(c, [1, 2]), axis = -1)", "Real[4]"),
        ("any(outer(c, [1, 2]) > 0, axis = 1)", "Bool[4]"),
        ("outer(c, c) @ c", "Real[4]"),
        ("c @ outer(c, [1, 2])", "Real[2]"),
        ("c @ c", "Real"),
        ("outer([1, 2], c).T", "Real[4, 2]"),
        ("(c > 0) * (c < 1)", "Int[4]"),
        ("where(c > 0, 1, s)", "Real[4]"),
        ("c[[0, 0, 3]]", "Real[3]"),
        ("outer(c, c)[[0, 1], [2, 3]]", "Real[2]"),
        ("outer(c, c)[1:, [0, 2, 2]]", "Real[3, 3]"),
        ("video[[0, 1], 0]", "Real[2, 48, 64]"),
        ("c[floor(c)]", "Real[4]"),
        ("scan(a = 0: a + v for v in c)", "Real[5]"),
        ("scan(a = 0: a + 1 for v in c)", "Int[5]"),
        ("scan(a = 0, b = c: a + v, b * a for v in c).b", "Real[5, 4]"),
        ("cholesky(outer(c, c))", "Real[4, 4]"),
        ("solve(outer(c, c), c)", "Real[4]"),
        ("logdet(outer(c, c))", "Real"),
        ("det(outer(c, c))", "Real"),
        ("cumprod(c)", "Real[4]"),
        ("cumprod(floor(c))", "Int[4]"),
        ("diff(c)", "Real[3]"),
        ("diff(words)", "Int[8]"),
        ("diff(outer(c, c), axis = 0)", "Real[3, 4]"),
        ("mod(words, 2)", "Int[9]"),
        ("mod(outer(c, [1, 2]), [3, 4])", "Real[4, 2]"),
        ("median(words)", "Real"),
        ("median(outer(c, [1, 2]), axis = 0)", "Real[2]"),
        ("quantile(outer(c, [1, 2]), s, axis = 1)", "Real[4]"),
        ("normal_icdf(0.5 * c)", "Real[4]"),
        ("erfinv(s)", "Real"),
        ("length(prompt)", "Int"),
        ("length(depth)", "Int"),
        ('contains(prompt, "horse")', "Bool"),
        ('matches(prompt, "^a")', "Bool"),
    ],
)
def test_types(expression: str, type_: str) -> None:
    assert typed(expression) == type_


def test_arguments_by_name_stand_in_the_order_of_the_parameters() -> None:
    assert term("blur(radius = 8, x = mask)") == Apply("blur", (Ref("mask"), Const(8)))
    assert term("max(c)") == Apply("max", (Ref("c"),))


def test_comprehensions_are_calls_with_one_list() -> None:
    first, second = Apply("-", (Ref("s"), Const(1))), Apply("-", (Ref("s"), Const(2)))
    assert term("max(s - m for m in [1, 2])") == Apply("max", (Apply("list", (first, second)),))


@pytest.mark.parametrize("bound", ["a = 0, a = 0: a, a", "v = 0: v"])
def test_a_scan_binds_a_name_once(bound: str) -> None:
    assert [d.code for d in found(f"scan({bound} for v in c)")] == ["P0203"]


def test_a_loop_binds_a_name_that_the_program_does_not_have() -> None:
    text = "let t = s\nlet a = [t * s for s in c]\nlet b = scan(s = 0: s + t for t in c)\n"
    made = plan(f"{text}x ~ Normal(0, 1)\n")
    terms = {let.name: let.term for let in made.lets}
    assert names(terms["a"]) == {"c", "s"}
    assert names(terms["b"]) == {"c"}
    assert parse_plan(print_plan(made)) == made
    assert verify(made) == ""


def test_the_term_of_a_loop_is_as_long_for_many_elements_as_for_few() -> None:
    loops = [
        "[s * m^2 + s for m in range({n})]",
        "sum([s * m * k for m in range({n})] for k in range({n}))",
        "scan(a = s: a * m for m in range({n}))",
    ]
    for loop in loops:
        sizes = {measure(term(loop.format(n=n))) for n in (100, 10_000)}
        assert len(sizes) == 1, loop


def test_the_name_of_a_comprehension_ends_with_it() -> None:
    assert value("[3 * sum(s for s in [1, 2]), 0]") == (9, 0)
    assert term("[sum(s for s in [1, 2]), s]") == Apply("list", (Const(3), Ref("s")))


def test_a_region_may_be_known_at_the_run_alone() -> None:
    text = (
        "x : Image[3, 64, 64]\nx ~ flux(prompt)\nfor part in layout:\n"
        "    x[part.box] ~ flux_depth(crop(depth, part.box), prompt = part.text) given x\n"
    )
    assert [d for d in compiled(INPUTS + text).diagnostics if d.is_error] == []


@pytest.mark.parametrize(
    ("expression", "code", "place"),
    [
        ("blur(mask)", "P0301", "blur(mask)"),
        ("clamp(1)", "P0301", "clamp(1)"),
        ("blur(mask, radios = 8)", "P0301", "radios"),
        ("blur(mask, 8, radius = 8)", "P0301", "radius = 8"),
        ("sum(1, 2)", "P0305", "sum(1, 2)"),
        ("sum(c, 0, 1)", "P0301", "1"),
        ("sum(c, axis = 1)", "P0305", "sum(c, axis = 1)"),
        ("sum(c, axis = s)", "P0302", "s"),
        ("max(c, 1, axis = 0)", "P0301", "max(c, 1, axis = 0)"),
        ("c.T", "P0303", "c.T"),
        ("cholesky([[1, 2], [2, 1]])", "P0306", "cholesky([[1, 2], [2, 1]])"),
        ("cholesky([[1, 0.5], [0.2, 1]])", "P0306", "cholesky([[1, 0.5], [0.2, 1]])"),
        ("solve([[1, 2], [2, 4]], [1, 1])", "P0306", "solve([[1, 2], [2, 4]], [1, 1])"),
        ("inverse([[1, 2, 3], [4, 5, 6]])", "P0303", "inverse([[1, 2, 3], [4, 5, 6]])"),
        ("logdet([[0, 1], [1, 0]])", "P0306", "logdet([[0, 1], [1, 0]])"),
        ("solve([[1, 0], [0, 1]], [1, 2, 3])", "P0303", "solve([[1, 0], [0, 1]], [1, 2, 3])"),
        ("det([[1, 2, 3], [4, 5, 6]])", "P0303", "det([[1, 2, 3], [4, 5, 6]])"),
        ("mod(5, 0)", "P0306", "mod(5, 0)"),
        ("mod(c, [1, 2])", "P0303", "mod(c, [1, 2])"),
        ("diff([1])", "P0303", "diff([1])"),
        ("diff(s)", "P0305", "diff(s)"),
        ("cumprod(c, axis = 1)", "P0305", "cumprod(c, axis = 1)"),
        ("cumprod([1e200, 1e200])", "P0306", "cumprod([1e200, 1e200])"),
        ("erfinv(1)", "P0306", "erfinv(1)"),
        ("normal_icdf(0)", "P0306", "normal_icdf(0)"),
        ("normal_icdf([0.5, 1.5])", "P0306", "normal_icdf([0.5, 1.5])"),
        ("quantile(c, 1.5)", "P0306", "quantile(c, 1.5)"),
        ("quantile(c, [0.1, 0.9])", "P0302", "quantile(c, [0.1, 0.9])"),
        ("median(c, axis = 2)", "P0305", "median(c, axis = 2)"),
        ("digamma(-1)", "P0306", "digamma(-1)"),
        ("arcsin(2)", "P0306", "arcsin(2)"),
        ("identity(0)", "P0309", "identity(0)"),
        ("where(1, 2, 3)", "P0311", "1"),
        ("where(c > 0, [1, 2], 3)", "P0303", "where(c > 0, [1, 2], 3)"),
        ("where(s > 0)", "P0403", "where(s > 0)"),
        ("[1, 2] @ [1, 2, 3]", "P0303", "@"),
        ("[[1, 2], [3, 4]] @ 2", "P0303", "@"),
        ("c[1.5]", "P0305", "1.5"),
        ("c[[0, 4]]", "P0305", "[0, 4]"),
        ("c[s]", "P0305", "s"),
        ("c[0:s]", "P0305", "s"),
        ("[c[k + 0] for k in range(5)]", "P0305", "k + 0"),
        ("[c[i + 1] for i in range(5000)]", "P0305", "i + 1"),
        ("[c for i in s]", "P0302", "s"),
        ("scan(a = 0: a + v for v in s)", "P0302", "s"),
        ("scan(a = 0, b = 0: a + v for v in c)", "P0301", "a + v"),
        ("scan(a = 0: c * a for v in c)", "P0303", "c * a"),
        ("scan(a = 0: a > v for v in c)", "P0311", "a > v"),
        ("scan(a = prompt: a for v in c)", "P0311", "prompt"),
        ("fold(a = 0: a + v for v in c)", "P0202", "fold"),
        ("scan(1, 2)", "P0202", "scan"),
        ("range(1, 2, 3, 4)", "P0301", "4"),
        ("sum(0.5: 1)", "P0301", "0.5: 1"),
        ("linspace(m for m in [1])", "P0301", "linspace(m for m in [1])"),
        ("sum(prompt)", "P0311", "prompt"),
        ("all(c)", "P0311", "c"),
        ("blur(prompt, 8)", "P0302", "prompt"),
        ("blur(c, 8)", "P0302", "c"),
        ("blur(mask, c)", "P0302", "c"),
        ("blur(mask, none)", "P0302", "none"),
        ("crop(mask, [0, 0, 1, 1])", "P0302", "[0, 0, 1, 1]"),
        ("crop(prompt, box(0, 0, 1, 1))", "P0302", "prompt"),
        ("resize(mask, 8.5, 8)", "P0302", "8.5"),
        ("resize(mask, true, 8)", "P0302", "true"),
        ("frames(s, 4)", "P0302", "s"),
        ("contains(c, prompt)", "P0302", "c"),
        ("contains(prompt, 1)", "P0302", "1"),
        ("length(s)", "P0302", "s"),
        ("grey(mask)", "P0302", "grey(mask)"),
        ("grey(video[0:2, 0:2])", "P0303", "grey(video[0:2, 0:2])"),
        ("max(c, [1, 2])", "P0303", "max(c, [1, 2])"),
        ("dot(c, [1, 2])", "P0303", "dot(c, [1, 2])"),
        ("dot(c, 2)", "P0303", "dot(c, 2)"),
        ("concat(c, image)", "P0303", "concat(c, image)"),
        ("concat(s, s)", "P0303", "concat(s, s)"),
        ("sum(range(m) for m in [1, 2])", "P0303", "range(m)"),
        ("all(prompt for m in [1])", "P0311", "prompt"),
        ("sum(none for m in range(10001))", "P0506", "range(10001)"),
        ("sum([m, nothing] for m in [1, 2])", "P0201", "nothing"),
        ("blur(mask, -1)", "P0306", "blur(mask, -1)"),
        ("resize(mask, 0, 8)", "P0306", "resize(mask, 0, 8)"),
        ("clamp(s, 1, 0)", "P0306", "clamp(s, 1, 0)"),
        ("frames(4, 4)", "P0306", "frames(4, 4)"),
        ("frames(-1, 4)", "P0306", "frames(-1, 4)"),
        ("box(0.5, 0, 0.5, 1)", "P0306", "box(0.5, 0, 0.5, 1)"),
        ("box(c, 0, 1, 1)", "P0306", "box(c, 0, 1, 1)"),
        ('matches(prompt, "(")', "P0306", 'matches(prompt, "(")'),
        ("prod(range(1, 1000000))", "P0306", "prod(range(1, 1000000))"),
        ("tan(1e308 * 10)", "P0306", "1e308 * 10"),
        ("sqrt([1, -1])", "P0306", "sqrt([1, -1])"),
        ("lgamma(-2)", "P0306", "lgamma(-2)"),
        ("abs(range(1000000) + [[0], [1]])", "P0306", "range(1000000) + [[0], [1]]"),
        ("crop(video, frames(4, 17))", "P0305", "crop(video, frames(4, 17))"),
        ("crop(image, frames(0, 1))", "P0305", "crop(image, frames(0, 1))"),
        ("crop(mask, box(0, 0, 0.001, 1))", "P0305", "crop(mask, box(0, 0, 0.001, 1))"),
    ],
)
def test_arguments_that_do_not_fit(expression: str, code: str, place: str) -> None:
    (error,) = found(expression)
    start = len(f"{INPUTS}let a = ") + expression.rindex(place)
    assert (error.code, error.span) == (code, Span(start, start + len(place))), error


def test_a_mistake_in_a_name_has_a_fix() -> None:
    (error,) = found("blur(mask, radios = 8)")
    assert error.fixes[0].edits[0].text == "radius"
    assert error.notes == ("blur(x, radius)",)


@pytest.mark.parametrize(
    "name, called",
    [
        ("Phi", "normal_cdf"),
        ("inv_Phi", "normal_icdf"),
        ("ndtri", "normal_icdf"),
        ("cumulative_prod", "cumprod"),
        ("determinant", "det"),
        ("modulo", "mod"),
    ],
)
def test_names_of_other_languages_have_a_fix(name: str, called: str) -> None:
    (error,) = found(f"{name}(0.5)")
    assert [fix.edits[0].text for fix in error.fixes] == [called]


def test_a_box_in_pixels_has_a_hint() -> None:
    (error,) = found("box(64, 32, 128, 96)")
    assert error.code == "P0306" and error.notes
    assert found("box(0.5, 0.5, 0.2, 0.9)")[0].notes == ()


@pytest.mark.parametrize("name", ["blur(z, sum(z))", "crop(z, box(0, sum(z), 1, 1))"])
def test_how_to_compute_does_not_depend_on_variables(name: str) -> None:
    made = compiled(f"z : Image[3, 8, 8]\nz ~ Normal(0, 1) * exp(sum({name}))\n")
    assert [d.code for d in made.diagnostics if d.is_error] in (["P0312"], ["P0306"])
