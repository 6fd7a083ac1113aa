"""Loops, sizes and slices that come with data, against the same statements on whole vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.compiler.plan.terms import names
from poedsl.runtime.build import tempering_model
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.core.run_settings import RunSettings
from tests.diagnostics import quoted, refused

Y = [0.3, 1.4, 2.2, 0.9]


def compiled(text: str, **data: Any) -> poedsl.Plan:
    return poedsl.compile(text).bind(**data)


def codes(text: str, **data: Any) -> list[str]:
    with pytest.raises(poedsl.PoeError) as error:
        compiled(text, **data).run(particles=10, steps=2)
    return [d.code for d in error.value.diagnostics]


VECTOR = "input N : Int\ninput y : Real[N]\n"
#: Programs with a loop, and the same without.
SAME = {
    "of a number": (
        f"{VECTOR}m ~ Normal(0, 2)\nfor n in range(N):\n    y[n] ~ Normal(m, 1)",
        f"{VECTOR}m ~ Normal(0, 2)\ny ~ Normal(m, 1)",
        {"y": Y},
    ),
    "with constants in it": (
        f"{VECTOR}m ~ Normal(0, 2)\nfor n in range(N):\n    let k = n + 1\n"
        "    y[n] ~ Normal(m * k, k)",
        f"{VECTOR}m ~ Normal(0, 2)\ny ~ Normal(m * (range(N) + 1), range(N) + 1)",
        {"y": Y},
    ),
    "autoregressive": (
        f"{VECTOR}a ~ Normal(0, 1)\nfor n in range(1, N):\n    y[n] ~ Normal(a * y[n - 1], 1)",
        f"{VECTOR}a ~ Normal(0, 1)\ny[1:] ~ Normal(a * y[:-1], 1)",
        {"y": Y},
    ),
    "nested": (
        "input N : Int\ninput M : Int\ninput y : Real[N, M]\na : Real[N]\na ~ Normal(0, 1)\n"
        "for i in range(N):\n    for j in range(M):\n        y[i, j] ~ Normal(a[i], 1)",
        "input y : Real[2, 3]\na : Real[2]\na ~ Normal(0, 1)\n"
        "y ~ Normal([[a[0], a[0], a[0]], [a[1], a[1], a[1]]], 1)",
        {"y": [[1.0, 2.0, 3.0], [0.5, 0.1, -0.2]]},
    ),
    "of rows": (
        "input N : Int\ninput y : Real[N, 2]\nm : Real[2]\nm ~ Normal(0, 1)\nfor n in range(N):\n"
        "    y[n] ~ MultivariateNormal(m, covariance_matrix = [[1, 0.2], [0.2, 1]])",
        "input y : Real[3, 2]\nm : Real[2]\nm ~ Normal(0, 1)\n"
        "y ~ MultivariateNormal(m, covariance_matrix = [[1, 0.2], [0.2, 1]])",
        {"y": [[1.0, 2.0], [0.5, 0.1], [0.0, -0.3]]},
    ),
    "of categories": (
        "input N : Int\ninput y : Int[N]\nP : Real[2, 2]\nP ~ Dirichlet([1, 2])\n"
        "for n in range(1, N):\n    y[n] ~ Categorical(P[y[n - 1]])",
        "input y : Int[_]\nP : Real[2, 2]\nP ~ Dirichlet([1, 2])\ny[1:] ~ Categorical(P[y[:-1]])",
        {"y": [0, 1, 1, 0]},
    ),
    "of a mixture": (
        f"{VECTOR}w : Real[N]\nw ~ Beta(2, 2)\nfor n in range(N):\n"
        "    y[n] ~ mixture(w[n]: Normal(0, 1), 1 - w[n]: Normal(3, 1))^0.5",
        f"{VECTOR}w : Real[N]\nw ~ Beta(2, 2)\n"
        "y ~ mixture(w: Normal(0, 1), 1 - w: Normal(3, 1))^0.5",
        {"y": Y},
    ),
    "of parts of a variable": (
        f"{VECTOR}h : Real[N]\nh[0] ~ Normal(0, 1)\nfor n in range(1, N):\n"
        "    h[n] ~ Normal(h[n - 1], 1)\ny ~ Normal(h, 1)",
        "input y : Real[4]\nh : Real[4]\nh[0] ~ Normal(0, 1)\nh[1] ~ Normal(h[0], 1)\n"
        "h[2] ~ Normal(h[1], 1)\nh[3] ~ Normal(h[2], 1)\ny ~ Normal(h, 1)",
        {"y": Y},
    ),
    "over values": (
        "input y : Real[_]\nm ~ Normal(0, 1)\nfor v in y:\n    m ~ exp(-(v - m)^2)",
        "input y : Real[_]\nm ~ Normal(0, 1)\nm ~ exp(-sum((y - m)^2))",
        {"y": Y},
    ),
    "ragged": (
        "input K : Int\ninput y : Real[_]\ninput start : Int[K]\ninput stop : Int[K]\nm : Real[K]\n"
        "m ~ Normal(0, 1)\nfor k in range(K):\n    y[start[k]:stop[k]] ~ Normal(m[k], 1)",
        "input K : Int\ninput y : Real[_]\ninput start : Int[K]\ninput stop : Int[K]\nm : Real[K]\n"
        "m ~ Normal(0, 1)\ny[:1] ~ Normal(m[0], 1)\ny[1:] ~ Normal(m[1], 1)",
        {"y": Y, "start": [0, 1], "stop": [1, 4]},
    ),
    "of slices": (
        f"{VECTOR}input k : Int\nh : Real[N]\nh[:k] ~ Normal(0, 1)\nh[k:] ~ Normal(2, 1)\n"
        "y[:k] ~ Normal(h[:k], 1)",
        f"{VECTOR}input k : Int\nh : Real[N]\nh[:3] ~ Normal(0, 1)\nh[3:] ~ Normal(2, 1)\n"
        "y[:3] ~ Normal(h[:3], 1)",
        {"y": Y, "k": 3},
    ),
    "of sizes": (
        f"{VECTOR}s ~ HalfNormal(1)\nm ~ Normal(0, 1)\n"
        "y ~ MultivariateNormal(m * ones(N) + zeros(N), covariance_matrix = s^2 * identity(N))\n"
        "y ~ Normal(m * linspace(0, 1, N), 1)",
        f"{VECTOR}s ~ HalfNormal(1)\nm ~ Normal(0, 1)\n"
        "y ~ MultivariateNormal(m * ones(4), covariance_matrix = s^2 * identity(4))\n"
        "y ~ Normal(m * linspace(0, 1, 4), 1)",
        {"y": Y},
    ),
}


@pytest.mark.parametrize("name", SAME)
def test_a_loop_is_what_it_stands_for(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempering_model, "tempering_base", lambda *_: None)
    looped, whole, data = SAME[name]
    found, wanted = (
        prepare(compiled(text, **data).bound().spec, RunSettings()).target
        for text in (looped, whole)
    )
    z = torch.randn(5, wanted.space.size, generator=torch.Generator().manual_seed(0)).double()
    logs = wanted.log_untempered(z)
    assert bool(logs.isfinite().all())
    torch.testing.assert_close(found.log_untempered(z), logs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SAME)
def test_a_plan_with_a_loop_is_read_back(name: str) -> None:
    plan = poedsl.compile(SAME[name][0])
    assert poedsl.load(plan.to_json()).spec == plan.spec


def test_a_loop_over_numbers_of_data_is_one_factor() -> None:
    plan = poedsl.compile(SAME["with constants in it"][0])
    (likelihood,) = [f for f in plan.spec.factors if f.kind == "likelihood"]
    assert not likelihood.loops
    assert likelihood.observed is not None
    assert names(likelihood.observed) == {"N", "y"}


def test_a_loop_over_rows_of_data_is_predicted() -> None:
    looped, _, data = SAME["of rows"]
    result = compiled(looped, **data).run(seed=0, particles=20, steps=2)
    assert result.predict()["y"].shape == (20, 3, 2)
    assert result.log_likelihood()["y"].shape == (20, 3)


def test_data_that_make_no_loop() -> None:
    prior = f"{VECTOR}m ~ Normal(0, 1)\n"
    assert codes(f"{prior}m ~ exp(-sum(m^2 for n in range(4, N)))", y=Y) == ["P0306"]
    assert codes(f"{prior}y ~ Normal(m * sum(zeros(N - 4)), 1)", y=Y) == ["P0309"]
    assert codes(f"{prior}y[3:N - 1] ~ Normal(m, 1)", y=Y) == ["P0603"]
    assert codes(f"{prior}y[:N + 1] ~ Normal(m, 1)", y=Y) == ["P0603"]
    assert codes(f"{prior}y[N - 5:] ~ Normal(m, 1)", y=Y) == ["P0603"]


START = "m ~ Normal(0, 1)\n"
#: Programs with a loop over nothing, and their data.
EMPTY: dict[str, tuple[str, dict[str, Any]]] = {
    "of a number": (f"{VECTOR}{START}for n in range(N):\n    y[n] ~ Normal(m, 1)", {"y": []}),
    "by a slice": (f"{VECTOR}{START}for n in range(4, N):\n    y[n] ~ Normal(m, 1)", {"y": Y}),
    "shifted": (
        f"{VECTOR}{START}for n in range(N):\n    y[n + 1] ~ Normal(m, 1)",
        {"N": 0, "y": []},
    ),
    "nested": (
        "input N : Int\ninput M : Int\ninput y : Real[N, M]\n"
        f"{START}for i in range(N):\n    for j in range(M):\n        y[i, j] ~ Normal(m, 1)",
        {"y": [], "M": 0},
    ),
    "nested, the inner one": (
        "input N : Int\ninput M : Int\ninput y : Real[N, M]\n"
        f"{START}for i in range(N):\n    for j in range(M):\n        y[i, j] ~ Normal(m, 1)",
        {"y": torch.zeros(3, 0)},
    ),
    "of rows": (
        "input N : Int\ninput X : Real[N, 2]\n"
        f"{START}for n in range(N):\n    X[n] ~ Normal([m, m], 1)",
        {"X": []},
    ),
    "of a reward": (f"input N : Int\n{START}for n in range(N):\n    m ~ exp(-n * m^2)", {"N": 0}),
    "over values": (f"input y : Real[_]\n{START}for v in y:\n    m ~ exp(-(v - m)^2)", {"y": []}),
    "over indices": (
        f"input g : Int[_]\n{VECTOR}{START}for i in g:\n    y[i] ~ Normal(m, 1)",
        {"y": Y, "g": []},
    ),
    "of parts of a variable": (
        f"input N : Int\nh : Real[2]\nh ~ Normal(0, 1)\n{START}for n in range(N):\n"
        "    h[n] ~ Normal(m, 1)",
        {"N": 0},
    ),
}


@pytest.mark.statistical
@pytest.mark.parametrize("name", EMPTY)
def test_a_loop_over_nothing_is_a_factor_of_one(name: str) -> None:
    text, data = EMPTY[name]
    result = compiled(text, **data).run(seed=0, particles=200)
    assert result.outcome.ok and not result.warnings
    assert result.log_evidence == pytest.approx(0, abs=1e-6)
    mean = float((result.log_weights.exp() * result.particles["m"]).sum())
    assert mean == pytest.approx(0, abs=0.3)


def test_nothing_is_predicted_of_data_without_elements(tmp_path: Path) -> None:
    text, data = EMPTY["of a number"]
    result = compiled(text, **data).run(seed=0, particles=20, steps=2)
    assert result.predict()["y"].shape == (20, 0)
    assert result.log_likelihood()["y"].shape == (20, 0)
    result.save(tmp_path / "out")
    text, data = EMPTY["by a slice"]
    result = compiled(text, **data).run(seed=0, particles=20, steps=2)
    assert result.predict()["y"][3].tolist() == Y
    assert result.log_likelihood()["y"].shape == (20, 0)


def test_the_prior_of_data_without_elements_needs_no_data() -> None:
    text, _ = EMPTY["of a number"]
    result = poedsl.compile(text).bind(N=0).prior().run(seed=0, particles=20, steps=2)
    assert result.predict()["y"].shape == (20, 0)


def test_a_variable_is_not_without_elements() -> None:
    assert codes(f"{VECTOR}h : Real[N]\nh ~ Normal(0, 1)\ny ~ Normal(h, 1)", y=[]) == ["P0603"]
    start = f"input N : Int\nh : Real[2]\n{START}for n in range(N):\n"
    assert codes(f"{start}    h ~ Normal(m, 1)", N=0) == ["P0408"]
    assert codes(f"input y : Real[_]\n{START}y ~ Normal(m, 1)", y=[]) == ["P0607"]
    assert codes(f"{VECTOR}{START}for n in range(N):\n    y[n] ~ Normal(m, 1)", N=-1, y=[]) == [
        "P0603"
    ]


def test_parts_that_only_data_know() -> None:
    start = f"{VECTOR}h : Real[N]\ny ~ Normal(h, 1)\nfor n in range"
    assert codes(f"{start}(1, N):\n    h[n] ~ Normal(0, 1)", y=Y) == ["P0408"]
    assert codes(f"{start}(N):\n    h[n + 1] ~ Normal(0, 1)", y=Y) == ["P0603"]


#: Programs, the code of what is wrong, and what a message quotes.
REFUSED = [
    (f"{VECTOR}m ~ Normal(0, 1)\nfor n in range(m):\n    y[n] ~ Normal(m, 1)", "P0312", "m"),
    ("input s : Int[_]\nm ~ Normal(0, 1) * exp(sum([sum(range(e)) for e in s]))", "P0312", "e"),
    ("input s : Int[_]\nm ~ Normal(0, 1) * exp(sum([sum(s[:e]) for e in s]))", "P0305", "e"),
    ("input n : Real\nx ~ Normal(0, 1) * exp(sum(range(n)))", "P0306", "start"),
    ("input n : Real\nx : Real[4]\nx ~ Normal(0, 1) * exp(sum(x[:n]))", "P0305", ""),
]


@pytest.mark.parametrize("text, code, name", REFUSED)
def test_what_no_loop_can_run_over(text: str, code: str, name: str) -> None:
    with refused(code) as found:
        poedsl.compile(text)
    assert not name or name in quoted(found[0])
