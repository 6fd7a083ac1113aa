"""Terms on tensors: the functions of the language, parts, and what names stand for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from poedsl.compiler.functions import operators as compiler_operators
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term
from poedsl.runtime.terms.evaluate import Environment, evaluate, margins, region, selection
from poedsl.runtime.terms.functions import (
    OPERATORS,
    READ_FROM_TERMS,
    TENSOR_FUNCTIONS,
    WHOLE_NUMBERS,
)
from tests.compiler.programs import planned
from tests.diagnostics import numbers

CPU = torch.device("cpu")


def environment(**values: Any) -> Environment:
    return Environment(values, {}, CPU)


def compiled(expression: str, declared: str = "") -> Term:
    """An expression in inputs as a plan holds it."""
    plan: PlanSpec = planned(f"{declared}\nlet a = {expression}\nx ~ Normal(0, 1)\n")
    return plan.lets[0].term


M = ((1.0, 2.0), (3.0, 5.0))
T = (M, ((0.5, -2.0), (0.0, 1.0)), ((2.0, 2.5), (-1.0, 4.0)))
S = ((0.0, 2.0, 1.0), (-1.0, 0.5, 3.0), (4.0, 1.0, 1.0))
#: For each function that has values at constants, some arguments.
CONSTANTS: dict[str, list[tuple[Any, ...]]] = {
    "abs": [((-1.5, 2.0),)],
    "sign": [((-1.5, 0.0, 2.0),)],
    "floor": [((-1.5, 0.5, 2.0),)],
    "round": [((-1.5, -0.5, 0.5, 1.5, 2.4),)],
    "clamp": [((-1.0, 0.5, 3.0), 0.0, 1.0), (2.0, (0.0, 3.0), (1.0, 4.0))],
    "sqrt": [((0.0, 2.0),)],
    "exp": [((-2.0, 0.0, 3.0),)],
    "log": [((0.1, 1.0, 30.0),)],
    "lgamma": [((-1.5, 0.1, 1.0, 3.5, 90.0),)],
    "sin": [((-2.0, 0.5),)],
    "cos": [((-2.0, 0.5),)],
    "tan": [((-1.0, 0.5),)],
    "tanh": [((-90.0, 0.5),)],
    "sigmoid": [((-80.0, -1.0, 0.0, 80.0),)],
    "softplus": [((-80.0, -1.0, 0.0, 15.0, 25.0, 90.0),)],
    "where": [((True, False), (1.0, 2.0), -3.0), (True, (1.0, 2.0), ((3.0,), (4.0,)))],
    "ceil": [((-1.5, 0.5, 2.0),)],
    "mod": [((-5.5, -0.5, 0.0, 7.25), 3.0), ((7.0, -7.0), -3.0)],
    "square": [((-1.5, 2.0),)],
    "expm1": [((-2.0, 1e-9, 3.0),)],
    "log1p": [((-0.5, 1e-9, 30.0),)],
    "log2": [((0.1, 8.0),)],
    "log10": [((0.1, 100.0),)],
    "logit": [((0.001, 0.5, 0.9),)],
    "log_sigmoid": [((-90.0, -1.0, 0.0, 15.0),)],
    "sinh": [((-2.0, 0.5),)],
    "cosh": [((-2.0, 0.5),)],
    "arcsin": [((-1.0, 0.0, 0.5),)],
    "arccos": [((-1.0, 0.0, 0.5),)],
    "arctan": [((-9.0, 0.0, 0.5),)],
    "arctan2": [((1.0, -1.0, -2.0, 0.5), (-1.0, -1.0, 0.5, 0.0))],
    "erf": [((-2.0, 0.0, 0.5),)],
    "erfc": [((-2.0, 0.5, 5.0),)],
    "erfinv": [((-0.999, -1e-9, 0.0, 0.3, 0.5, 0.75),)],
    "normal_icdf": [((1e-30, 0.02, 0.5, 0.975),)],
    "normal_cdf": [((-5.0, 0.0, 1.96),)],
    "log_normal_cdf": [((-300.0, -20.5, -19.5, -3.0, 0.0, 1.96),)],
    "digamma": [((-1.5, 0.1, 1.0, 3.5, 90.0),)],
    "arcsinh": [((-2.0, 0.0, 0.5, 30.0),)],
    "arccosh": [((1.0, 1.5, 30.0),)],
    "arctanh": [((-0.9, 0.0, 0.5),)],
    "lbeta": [((0.5, 2.0), (1.0, 3.5))],
    "lchoose": [(5.0, (0.0, 2.0, 5.0))],
    "logaddexp": [(900.0, (899.0, 0.0, 900.0))],
    "sum": [(M,), (4.0,), (M, 0), (M, -1), (T, 1)],
    "prod": [(M,), (M, 1)],
    "mean": [(M,), (M, 0)],
    "var": [(M,), (4.0,), (M, 1)],
    "std": [(M,), (M, 0)],
    "norm": [(M,), (T, 0)],
    "logsumexp": [(M,), (T, 2), ((90.0, -90.0),)],
    "min": [(((1.0, 2.0), (3.0, -5.0)),), ((1.0, 2.0), 1.5)],
    "max": [(((1.0, 2.0), (3.0, -5.0)),), ((1.0, 2.0), ((0.0,), (1.5,)))],
    "all": [((True, True),), ((True, False),), (False,), (((True, False), (True, True)), 0)],
    "any": [((False, False),), ((True, False),), (True,), (((True, False), (False, False)), 1)],
    "softmax": [(M, -1), (M, 0), ((0.0, 90.0), 0)],
    "log_softmax": [(M, -1), (T, 1), ((0.0, 90.0), 0)],
    "cumsum": [(M, 0), (T, 1), ((1.0, 2.0, 3.0), 0)],
    "cumprod": [(M, 0), (T, 1), ((1.0, -2.0, 3.0), 0)],
    "diff": [(M, 0), (T, -1), ((1.0, -2.0, 3.0), -1)],
    "median": [(M,), (4.0,), (T, 0), ((3.0, 1.0, 2.0),)],
    "quantile": [(M, 0.0), (4.0, 0.3), (T, 0.4, 0), ((3.0, 1.0, 2.0), 0.85), (M, 1.0, 1)],
    "sort": [((3.0, 1.0, 2.0), -1), (((3.0, 1.0), (2.0, 5.0)), 0)],
    "transpose": [(((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),)],
    "cholesky": [(((4.0, 1.0), (1.0, 3.0)),)],
    "solve": [(S, (1.0, 2.0, 3.0)), (S, ((1.0, 0.5), (2.0, 1.0), (3.0, -1.0)))],
    "inverse": [(S,)],
    "det": [(S,), (((0.0, 1.0), (1.0, 0.0)),), (((1.0, 2.0), (2.0, 4.0)),)],
    "logdet": [(S,), (((0.0, 1.0), (-1.0, 0.0)),)],
    "diag": [((1.0, 2.0),), (S,)],
    "outer": [((1.0, 2.0), (3.0, 4.0, 5.0))],
    "dot": [((1.0, 2.0), (3.0, -4.0))],
    "concat": [((1.0, 2.0), (3.0,)), (((1.0, 2.0),), ((3.0, 4.0), (5.0, 6.0)))],
    "range": [(4,), (2, 5), (1, 8, 3), (5, 0, -2)],
    "linspace": [(0.5, 2.0, 4), (3.0, 1.0, 1)],
    "identity": [(3,)],
    "zeros": [(3,), (2, 3)],
    "ones": [(3,), (2, 3)],
    "length": [((1.0, 2.0, 3.0),), ("a horse",)],
    "contains": [("a horse", "horse"), ("a horse", "Horse")],
    "matches": [("a horse", "^a [a-z]+$"), ("a horse", "^horse")],
}


def test_the_compiler_and_the_runtime_have_the_same_functions() -> None:
    assert set(FUNCTIONS) == {*TENSOR_FUNCTIONS, *READ_FROM_TERMS}
    assert not TENSOR_FUNCTIONS.keys() & READ_FROM_TERMS


def test_the_compiler_and_the_runtime_have_the_same_operators() -> None:
    assert set(compiler_operators.OPERATORS) == set(OPERATORS)


def test_every_function_is_evaluated_both_ways() -> None:
    assert {n for n, f in FUNCTIONS.items() if f.fold} == set(CONSTANTS)


@pytest.mark.parametrize(
    "name, args", [(name, args) for name, each in CONSTANTS.items() for args in each]
)
def test_tensors_agree_with_constants(name: str, args: tuple[Any, ...]) -> None:
    names = [f"a{i}" for i in range(len(args))]
    values = {
        n: a if isinstance(a, str) else evaluate(Const(a), environment())
        for n, a in zip(names, args, strict=True)
    }
    whole = [(name, i) in WHOLE_NUMBERS for i in range(len(args))]
    terms = [Const(a) if w else Ref(n) for n, a, w in zip(names, args, whole, strict=True)]
    found = evaluate(Apply(name, tuple(terms)), environment(**values))
    fold = FUNCTIONS[name].fold
    assert fold is not None
    wanted = evaluate(Const(fold(*args)), environment())
    assert found.shape == wanted.shape
    torch.testing.assert_close(found, wanted, rtol=2e-6, atol=1e-37, check_dtype=False)


#: Functions whose first argument is a matrix.
OF_MATRICES = {"transpose", "cholesky", "solve", "inverse", "det", "logdet"}
#: Functions whose arguments are sizes.
OF_COUNTS = {n for n, f in FUNCTIONS.items() if any(p.takes == "count" for p in f.parameters)}


def test_what_occurs_repeatedly_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten lines, each with the one before twice, are a thousand terms written out."""
    lines = "".join(f"let a{i + 1} = 0.5 * (tanh(a{i}) + a{i})\n" for i in range(10))
    plan = planned(f"x : Real[3]\nlet a0 = x\n{lines}x ~ Normal(0, 1) * exp(sum(a10))")
    term = plan.factors[1].term
    calls = []
    tanh = TENSOR_FUNCTIONS["tanh"]
    monkeypatch.setitem(TENSOR_FUNCTIONS, "tanh", lambda x: calls.append(1) or tanh(x))
    x = torch.randn(4, 3, requires_grad=True)
    found = evaluate(term, environment(x=x))
    assert len(calls) == 10
    own = x
    for _ in range(10):
        own = 0.5 * (own.tanh() + own)
    torch.testing.assert_close(found, own.sum(1))
    gradients = [torch.autograd.grad(v.sum(), x, retain_graph=True)[0] for v in (found, own)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize(
    "name",
    sorted(
        set(CONSTANTS)
        - {"all", "any", "length", "contains", "matches", "where"}
        - OF_MATRICES
        - OF_COUNTS
    ),
)
def test_particles_are_apart_and_have_gradients(name: str) -> None:
    count = sum(p.required for p in FUNCTIONS[name].parameters)
    generator = torch.Generator().manual_seed(0)
    least = 1.1 if name == "arccosh" else 0.0
    rows = [least + torch.rand(5, 3, generator=generator) for _ in range(count)]
    rows[1:] = [r[:, 0] if name == "quantile" else r for r in rows[1:]]
    names = [f"a{i}" for i in range(count)]
    axes = [Const(p.default) for p in FUNCTIONS[name].parameters if isinstance(p.default, int)]
    term = Apply(name, (*map(Ref, names), *axes))
    point = rows[0].clone().requires_grad_()
    whole = evaluate(term, environment(**dict(zip(names, [point, *rows[1:]], strict=True))))
    single = [
        evaluate(term, environment(**{n: r[i : i + 1] for n, r in zip(names, rows, strict=True)}))
        for i in range(5)
    ]
    torch.testing.assert_close(whole.detach(), torch.cat(single))
    (gradient,) = torch.autograd.grad(whole.sum(), point)
    assert bool(torch.isfinite(gradient).all())


def test_an_input_meets_particles() -> None:
    env = environment(x=torch.ones(4, 2), c=torch.tensor([[1.0, 2.0]]), s=torch.tensor([3.0]))
    x, c, s = Ref("x"), Ref("c"), Ref("s")
    assert evaluate(Apply("dot", (x, c)), env).tolist() == [3] * 4
    assert evaluate(Apply("concat", (c, x)), env).tolist() == [[1, 2, 1, 1]] * 4
    assert evaluate(Apply("clamp", (x, s, Const(5))), env).shape == (4, 2)
    assert evaluate(Apply("list", (s, Apply("sum", (x,)))), env).tolist() == [[3, 2]] * 4


# Pictures.


def blurred(x: Tensor, radius: float) -> Tensor:
    return evaluate(Apply("blur", (Ref("x"), Const(radius))), environment(x=x))


@pytest.mark.parametrize("shape", [(1, 9, 20), (2, 3, 9, 20), (2, 4, 3, 9, 20)])
@pytest.mark.parametrize("radius", [0, 0.4, 2, 30])
def test_blur_averages(shape: tuple[int, ...], radius: float) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    y = blurred(x, radius)
    assert y.shape == x.shape
    assert bool((y >= x.amin((-2, -1), True)).all() and (y <= x.amax((-2, -1), True)).all())
    assert torch.equal(blurred(torch.ones(shape), radius), torch.ones(shape))


def test_blur_is_a_gaussian_of_its_standard_deviation() -> None:
    x = torch.zeros(1, 81, 81)
    x[0, 40, 40] = 1
    y = blurred(x, 5)
    offsets = torch.arange(81.0) - 40
    assert float(y.sum()) == pytest.approx(1, rel=1e-5)
    assert float((y[0].sum(1) * offsets.square()).sum()) == pytest.approx(25, rel=0.01)
    torch.testing.assert_close(y, y.transpose(1, 2))
    edge = torch.zeros(1, 5, 64)
    edge[..., 32:] = 1
    step = torch.special.ndtr((torch.arange(64.0) - 31.5) / 5)
    torch.testing.assert_close(blurred(edge, 5)[0, 2], step, atol=1e-3, rtol=0)


def test_blur_lets_gradients_through() -> None:
    x = torch.rand(2, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(blurred(x, 1.5)[:, 4, 4].sum(), x)
    assert gradient.sum((1, 2)).tolist() == pytest.approx([1, 1], rel=1e-5)


@pytest.mark.parametrize("radius", [-1.0, float("nan"), float("inf")])
def test_blur_has_a_radius(radius: float) -> None:
    with pytest.raises(ValueError, match="radius"):
        blurred(torch.rand(1, 8, 8), radius)


def test_resize_keeps_averages_and_range() -> None:
    x = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(2))
    term = Apply("resize", (Ref("x"), Const(8), Const(12)))
    y = evaluate(term, environment(x=x))
    assert y.shape == (2, 3, 8, 12)
    assert float(y.mean()) == pytest.approx(float(x.mean()), abs=0.01)
    flat = evaluate(term, environment(x=torch.ones(1, 5, 7)))
    assert torch.equal(flat, torch.ones(1, 8, 12))


def test_grey_is_what_pillow_makes_of_colours() -> None:
    x = torch.zeros(1, 2, 3, 4, 4)
    x[:, 1, 0] = 1
    y = evaluate(Apply("grey", (Ref("x"),)), environment(x=x))
    assert y.shape == (1, 2, 1, 4, 4)
    assert float(y[0, 1].mean()) == pytest.approx(0.299)
    assert evaluate(Apply("grey", (Ref("x"),)), environment(x=y)) is y


# Parts.


def test_boxes_and_frames() -> None:
    x = torch.arange(4 * 3 * 10 * 20.0).view(1, 4, 3, 10, 20)
    env = environment(x=x, part={"box": (0.5, 0.0, 1.0, 0.4)})
    box = Apply("box", (Const(0.5), Const(0), Const(1), Const(0.4)))
    at = Apply("attribute", (Ref("part"), Const("box")))
    for region_term in (box, at):
        for function in ("index", "crop"):
            cut = evaluate(Apply(function, (Ref("x"), region_term)), env)
            assert torch.equal(cut, x[..., 0:4, 10:20])
    frames = Apply("frames", (Const(1), Const(3)))
    assert torch.equal(evaluate(Apply("index", (Ref("x"), frames)), env), x[:, 1:3])
    assert torch.equal(evaluate(Apply("crop", (Ref("x"), frames)), env), x[:, 1:3])


def test_boxes_round_as_the_checker_does() -> None:
    """In double precision: 0.35 of ten rows are four, as a single 0.35 they would be three."""
    term = compiled("crop(depth, box(0, 0, 1, 0.35))", "input depth : Depth[10, 10]")
    assert evaluate(term, environment(depth=torch.rand(1, 10, 10))).shape == (1, 4, 10)


@pytest.mark.parametrize(
    "items, named",
    [
        ((Const(4),), [4, 0, 3]),
        ((Const(0), Const(-7)), [-7, 0, 5]),
        ((Apply("slice", (Const(0), Const(5))),), [5, 0, 4]),
        ((Apply("slice", (Const(-5), Const(None))),), [-5, 0, 4]),
        ((Apply("slice", (Const(3), Const(2))),), [3, 2]),
        ((Apply("frames", (Const(2), Const(5))),), [5, 0, 4]),
        ((Apply("box", (Const(0), Const(0), Const(0.01), Const(1))),), [6]),
        ((Ref("wide"),), [0, 0, 64, 64]),
        ((Ref("short"),), [0, 1]),
    ],
)
def test_nothing_is_clipped_silently(items: tuple[Term, ...], named: list[float]) -> None:
    env = environment(wide=(0, 0, 64, 64), short=torch.tensor([0.0, 1.0]))
    with pytest.raises(ValueError) as error:
        selection(items, (4, 6), env)
    assert numbers(str(error.value))[-len(named) :] == named


def test_selections_index_what_they_are_of() -> None:
    env = environment(r=(0.0, 0.0, 0.5, 1.0))
    assert selection([Const(-1), Apply("slice", (Const(None), Const(2)))], (3, 4, 5), env) == (
        -1,
        slice(None, 2),
    )
    assert selection([Ref("r")], (3, 4, 6), env) == (slice(None), slice(0, 4), slice(0, 3))
    assert region(Ref("r"), env) == (0, 0, 0.5, 1)


# What names stand for.


def test_attributes_of_records() -> None:
    env = environment(sim={"depth": torch.rand(1, 2, 4, 4)}, part={"text": "a red horse"})
    depth = Apply("attribute", (Ref("sim"), Const("depth")))
    assert evaluate(Apply("max", (depth,)), env).shape == (1,)
    text = Apply("attribute", (Ref("part"), Const("text")))
    assert evaluate(Apply("contains", (text, Const("red"))), env).tolist() == [True]
    with pytest.raises(ValueError, match="`mask`"):
        evaluate(Apply("attribute", (Ref("sim"), Const("mask"))), env)
    with pytest.raises(ValueError, match="'a red horse'"):
        evaluate(text, env)


def test_tokens_are_not_text() -> None:
    with pytest.raises(ValueError, match="`contains`"):
        evaluate(Apply("contains", (Ref("y"), Const(" sad"))), environment(y=torch.ones(3, 24)))


def test_what_has_no_value() -> None:
    with pytest.raises(ValueError, match="`flux`"):
        evaluate(Apply("flux"), environment())


def test_margins_of_conditions_together() -> None:
    env = environment(x=torch.tensor([[1.0, 2.0], [3.0, -4.0]]))
    each = compiled("all(c[i] > i for i in range(2))", "input c : Real[2]")
    assert isinstance(each, Apply)
    found = margins(each, environment(c=env.values["x"]))
    assert found is not None
    assert torch.stack(found, 1).tolist() == [[1, 1], [3, -5]]
    above = Apply(">", (Ref("x"), Const(0)))
    (one,) = margins(Apply("any", (above,)), env) or []
    assert torch.equal(one, env.values["x"])
    equal = Apply("==", (Ref("x"), Const(0)))
    assert margins(equal, env) is None
    assert margins(Apply("or", (above, equal)), env) is None
    (one,) = margins(Apply("all", (Apply("<", (Const(0), Ref("x"))),)), env) or []
    assert torch.equal(one, env.values["x"])
