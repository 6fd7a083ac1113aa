"""Experts, rewards and sources in Python: decorated, loaded with leave, called in batches."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.api import registered
from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.use_statements import read_use
from poedsl.experts.protocol import Generative
from poedsl.experts.user import registry as user
from poedsl.experts.user.build import build_user
from poedsl.experts.user.load import load_user
from poedsl.experts.user.registry import Registry, UserCode
from poedsl.grammar import tree
from poedsl.grammar.types import Type
from tests.diagnostics import refused

CODE = Path(__file__).with_name("user_code.py")
CPU = torch.device("cpu")
HEAD = "import poedsl, torch\nfrom poedsl import Image, Real\n"


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    own = Registry()
    monkeypatch.setattr(user, "REGISTRY", own)
    modules = set(sys.modules)
    yield own
    for name in set(sys.modules) - modules:
        if name.startswith("_poedsl_"):
            del sys.modules[name]


def read(place: str, base: Path = CODE.parent) -> Signature:
    statement = tree.Use(name=tree.Name(name="mine"), place=tree.String(value=place))
    found = read_use(statement, base)
    assert isinstance(found, Signature), found
    return found


def load(place: str, base: Path = CODE.parent, *, allowed: bool = True) -> UserCode:
    return load_user(read(place, base), place, base, allowed)


def made(name: str, shape: tuple[int, ...] | None = None, **arguments: Any) -> Any:
    return build_user(load(f"user_code.py:{name}"), arguments, shape, CPU)


def refusal(run: Any, *args: Any, **kwargs: Any) -> tuple[str, str, tuple[str, ...]]:
    with pytest.raises(poedsl.PoeError) as caught:
        run(*args, **kwargs)
    (found,) = caught.value.diagnostics
    return found.code, found.message, found.notes


# Decorators.


def test_what_is_decorated_is_known_by_its_name() -> None:
    @poedsl.reward(gradient=True)
    def redness(x: poedsl.Image, amount: float = 1.0) -> torch.Tensor:
        """How red it is."""
        return amount * x[:, 0].mean((1, 2))

    assert float(redness(torch.ones(1, 3, 2, 2), 2.0)) == 2.0
    known = registered()["redness"]
    assert (known.summary, known.domain) == ("How red it is.", Type("Image", (None,) * 3))
    assert str(known.parameters[0]) == "amount: Real = 1.0"
    spec = poedsl.compile("x ~ digits() * exp(redness())").spec
    code = load_user(known, spec.uses[0].place, Path(), allowed=False)
    assert code.target is redness


def test_the_name_of_an_expert_is_taken() -> None:
    with refused("P0203"):

        @poedsl.expert
        class Normal:
            def score(self, x: poedsl.Real, alpha: Any, sigma: Any) -> None: ...


def test_the_last_one_of_a_name_counts() -> None:
    for cost in (1, 2):

        @poedsl.reward(cost=cost)
        def again(x: poedsl.Real) -> None: ...

    assert registered()["again"].cost == 2


def test_what_is_missing_is_named_with_its_place() -> None:
    def bare(x: poedsl.Real, amount) -> None: ...  # type: ignore[no-untyped-def]

    code, message, (place,) = refusal(poedsl.reward, bare)
    line = bare.__code__.co_firstlineno
    assert (code, "`amount` of `bare`" in message) == ("P0208", True)
    assert place == f"at {os.path.relpath(__file__)}:{line}"
    with pytest.raises(TypeError, match="3"):
        poedsl.reward(3)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="price"):
        poedsl.reward(price=3)  # type: ignore[call-overload]


def test_types_say_when_they_are_none() -> None:
    for wrong in (0, -1, True, 1.5, (1, 2), "a b"):
        with pytest.raises(TypeError):
            poedsl.Tokens[wrong]
    with pytest.raises(TypeError):
        poedsl.Record(a=list)
    with pytest.raises(TypeError):
        poedsl.Record(a=poedsl.Record(b=float))


# Leave.


def file(base: Path, text: str) -> Path:
    path = base / "code.py"
    path.write_text(HEAD + text)
    return path


def test_nothing_runs_without_leave(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"
        "@poedsl.reward\ndef f(x: Real): return x\n",
    )
    code, message, notes = refusal(load, "code.py:f", tmp_path, allowed=False)
    assert code == "P0707"
    assert "`f`" in message and str(path) in message
    assert "--allow-code" in notes[0]
    assert not (tmp_path / "ran").exists()
    load("code.py:f", tmp_path)
    assert (tmp_path / "ran").exists()
    assert refusal(load, "code.py:f", tmp_path, allowed=False)[0] == "P0707"


def test_what_a_program_loads_is_known_to_it_alone(tmp_path: Path) -> None:
    path = list(sys.path)
    file(tmp_path, "@poedsl.reward\ndef f(x: Real): return x\n")
    loaded = load("code.py:f", tmp_path)
    assert (loaded.signature.name, registered(), sys.path) == ("mine", {}, path)


def test_what_python_has_imported_needs_no_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "a_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "weights.py").write_text("WEIGHT = 2\n")
    (package / "rewards.py").write_text(
        HEAD + "from .weights import WEIGHT\n@poedsl.reward\ndef f(x: Real): return WEIGHT * x\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    place = "a_package.rewards:f"
    assert refusal(load, place, allowed=False)[0] == "P0707"
    reward = build_user(load(place), {}, None, CPU)
    assert reward(torch.ones(2)).tolist() == [2, 2]
    del sys.modules["a_package.rewards"]
    import a_package.rewards  # type: ignore[import-not-found]

    again = load(place, allowed=False)
    assert again.target is a_package.rewards.f
    assert again.signature.implementation == "code:a_package.rewards:f"
    assert load(str(package / "rewards.py") + ":f", allowed=False).target is a_package.rewards.f


def test_a_file_is_run_once_for_each_time_it_is_written(tmp_path: Path) -> None:
    path = file(tmp_path, "@poedsl.reward\ndef f(x: Real): return 1 * x\n")
    first = load("code.py:f", tmp_path)
    assert load("code.py:f", tmp_path).target is first.target
    path.write_text(path.read_text().replace("1 * x", "2 * x"))
    os.utime(path, ns=(1, 1))
    assert build_user(load("code.py:f", tmp_path), {}, None, CPU)(torch.ones(1)).tolist() == [2]


BROKEN = """import poedsl


@poedsl.reward
def good(x: poedsl.Real) -> float:
    return -x * x


@poedsl.reward
def untyped(x, a):
    return x


@poedsl.reward(colour="red")
def coloured(x: poedsl.Real) -> float:
    return x
"""


def test_what_a_file_has_wrong_elsewhere_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(BROKEN)
    program = 'use good from "own.py:good"\nx ~ Normal(0, 1) * exp(good())\n'
    (tmp_path / "a.poe").write_text(program)
    plan = poedsl.compile(tmp_path / "a.poe", allow_code=True)
    assert plan.run(particles=4, steps=2).particles["x"].isfinite().all()
    for name in ("untyped", "coloured"):
        good = plan.spec.uses[0].signature
        assert refusal(load_user, good, f"own.py:{name}", tmp_path, True)[0] == "P0708"


def test_what_has_changed_since_it_was_compiled(tmp_path: Path) -> None:
    path = file(tmp_path, "@poedsl.reward\ndef f(x: Real, a: float = 1): return x\n")
    before = read("code.py:f", tmp_path)
    path.write_text(path.read_text().replace("a: float", "b: float"))
    code, _, notes = refusal(load_user, before, "code.py:f", tmp_path, True)
    assert (code, notes[0]) == ("P0207", "then: mine(a: Real = 1) scores Real")
    path.write_text(HEAD + "def f(x): return x\n")
    assert refusal(load_user, before, "code.py:f", tmp_path, True)[0] == "P0207"
    path.unlink()
    assert refusal(load_user, before, "code.py:f", tmp_path, True)[0] == "P0206"
    assert refusal(load_user, before, "<stdin>:f", tmp_path, True)[0] == "P0206"
    assert refusal(load_user, before, "nothing", tmp_path, True)[0] == "P0206"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 / 0", "code.py:5: ZeroDivisionError"),
        ("import no_such_module", "code.py:5: ModuleNotFoundError"),
        ("raise SystemExit(3)", "code.py:5: SystemExit: 3"),
        ("raise ValueError('one\\ntwo')", "code.py:5: ValueError: one"),
    ],
)
def test_a_file_that_fails(tmp_path: Path, text: str, expected: str) -> None:
    file(tmp_path, f"@poedsl.reward\ndef f(x: Real): return x\n{text}\n")
    code, message, _ = refusal(load, "code.py:f", tmp_path)
    assert (code, expected in message) == ("P0708", True), message


# Rewards and densities.


def test_rewards_are_called_with_batches() -> None:
    x = torch.rand(5, 3, 4, 4)
    torch.testing.assert_close(made("plain")(x), x.mean((1, 2, 3)))
    torch.testing.assert_close(made("called")(x), x.sum((1, 2, 3)))
    reward = made("renamed", amount=2.0, times=1)
    torch.testing.assert_close(reward(x), 2 * x.mean((1, 2, 3)))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(reward(x).sum(), x)
    torch.testing.assert_close(gradient, torch.full_like(x, 2 / 48))
    pictures = torch.rand(4, 1, 8, 8)
    expected = 3 * pictures.diff(dim=-1).abs().mean((1, 2, 3))
    torch.testing.assert_close(made("Sharp", amount=3.0)(pictures), expected)


def test_densities_are_rewards() -> None:
    x = torch.randn(6, 2)
    torch.testing.assert_close(made("bowl", width=2.0)(x[:, 0]), -0.125 * x[:, 0].square())
    density = made("Density", (2,), loc=torch.tensor([1.0, 0.0]), scale=1.0)
    away = x - torch.tensor([1.0, 0.0])
    torch.testing.assert_close(density(x), -0.5 * away.square().sum(-1))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("x[:, None]", "[3, 1]"),
        ("x.sum()", "[]"),
        ("None", ""),
        ("'a'", "str"),
        ("[1, 'a', 2]", "list"),
        ("x.detach()", ""),
        ("torch.zeros(len(x))", "`0 * x.sum(-1)`"),
        ("x / 0 + nothing", "NameError"),
        ("torch.linalg.cholesky(-torch.eye(2))", "LinAlgError"),
    ],
)
def test_what_a_reward_does_wrong_is_reported_with_its_place(
    tmp_path: Path, body: str, expected: str
) -> None:
    path = file(tmp_path, f"@poedsl.reward(gradient=True)\ndef f(x: Real): return {body}\n")
    reward = build_user(load("code.py:f", tmp_path), {}, None, CPU)
    code, message, _ = refusal(reward, torch.ones(3, requires_grad=True))
    line = 4 if "Error" in expected else 3
    assert code == "P0708"
    assert expected in message and f"{path}:{line}" in message


def test_layouts_are_lists_of_records(tmp_path: Path) -> None:
    file(
        tmp_path,
        "@poedsl.reward\ndef f(x: Real, layout: poedsl.Layout):\n"
        "    return x + sum(part['box'][2] + len(part['text']) for part in layout)\n",
    )
    layout = (((0.0, 0.0, 0.5, 1.0), "ab"), ((0.0, 0.0, 1.0, 1.0), ""))
    reward = build_user(load("code.py:f", tmp_path), {"layout": layout}, None, CPU)
    assert reward(torch.zeros(2)).tolist() == [3.5, 3.5]


# Experts with noised marginals.


@pytest.mark.parametrize("name", ["Normal2", "ByLogProb"])
def test_a_gaussian_of_a_users_is_a_gaussian(name: str) -> None:
    expert = made(name, (2,), mean=1.5)
    assert isinstance(expert, Generative)
    assert (expert.has_density, expert.terminal) == (True, True)
    alpha, sigma = 0.6, 0.8
    x = torch.randn(7, 2, requires_grad=True)
    noised = expert.noised(x, alpha, sigma)
    away = x - alpha * 1.5
    torch.testing.assert_close(noised.score, -away)
    expected = -0.5 * away.square().sum(-1) - math.log(2 * math.pi)
    torch.testing.assert_close(noised.log_density, expected)
    (gradient,) = torch.autograd.grad(noised.score.sum(), x)
    torch.testing.assert_close(gradient, -torch.ones_like(x))
    with torch.no_grad():
        torch.testing.assert_close(expert.noised(x, alpha, sigma).score, -away.detach())


def test_a_velocity_is_that_of_a_rectified_flow() -> None:
    expert = made("Flow", (1, 8, 8))
    assert isinstance(expert, Generative)
    assert (expert.has_density, expert.terminal) == (False, False)
    x = torch.randn(3, 64)
    noised = expert.noised(x, 0.6, 0.8)
    torch.testing.assert_close(noised.score, -x / 0.8**2)
    assert noised.log_density is None


def test_what_an_expert_does_wrong_is_reported_with_its_place(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "@poedsl.expert\nclass f:\n    def __init__(self, n: int): self.n = 1 / n\n"
        "    def score(self, x: Real[2], alpha, sigma): return x[0]\n",
    )
    code = load("code.py:f", tmp_path)
    found = refusal(build_user(code, {"n": 1}, (2,), CPU).noised, torch.zeros(3, 2), 0.6, 0.8)
    assert found[0] == "P0708"
    assert all(part in found[1] for part in (f"{path}:5", "`score`", "[2]", "[3, 2]"))
    found = refusal(build_user, code, {"n": 0}, (2,), CPU)
    assert found[0] == "P0708"
    assert f"{path}:5" in found[1] and "ZeroDivisionError" in found[1]


# Sources.


def test_sources_give_tensors_of_what_they_say() -> None:
    found = made("simulated", path="a", frames=2)
    assert {k: (tuple(v.shape), v.dtype) for k, v in found.items()} == {
        "depth": ((1, 4, 4), torch.float32),
        "mask": ((4, 4), torch.float32),
    }
    assert made("film", frames=3).shape == (3, 4, 4)
    assert made("arranged", words="a") == [{"box": [0, 0, 0.5, 1], "text": "a"}]
    assert made("Counted", n=4).tolist() == [4, 4, 4]


@pytest.mark.parametrize(
    ("annotation", "body", "expected"),
    [
        ("poedsl.Depth['n', 2]", "torch.zeros(3, 2)", "[3, 2]"),
        ("poedsl.Depth", "torch.zeros(3)", "[_, _]"),
        ("poedsl.Record(a=Real)", "3", "int"),
        ("poedsl.Record(a=Real)", "{'b': 3}", "b"),
        ("poedsl.Record(a=Real)", "{'a': [3]}", "`a`"),
    ],
)
def test_what_a_source_does_wrong_is_reported(
    tmp_path: Path, annotation: str, body: str, expected: str
) -> None:
    file(tmp_path, f"@poedsl.source\ndef f(n: int) -> {annotation}: return {body}\n")
    code, message, _ = refusal(build_user, load("code.py:f", tmp_path), {"n": 4}, None, CPU)
    assert (code, expected in message) == ("P0708", True), message


def test_a_name_in_two_files_is_two_things(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"code{number}.py").write_text(
            HEAD + f"@poedsl.reward\ndef f(x: Real): return {number} * x\n"
        )
    one, two = (load(f"code{n}.py:f", tmp_path) for n in (1, 2))
    assert replace(one.signature, implementation="") == replace(two.signature, implementation="")
    assert [build_user(c, {}, None, CPU)(torch.ones(1)).item() for c in (one, two)] == [1, 2]
