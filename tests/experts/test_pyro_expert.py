"""Models of Pyro's as experts: densities over their latent sites, against Pyro and quadrature."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyro
import pyro.distributions as dist
import pytest
import torch
from pyro import poutine
from torch.distributions import biject_to

import poedsl
from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.use_statements import read_use
from poedsl.experts.user import registry as user
from poedsl.experts.user.build import build_user
from poedsl.experts.user.load import load_user
from poedsl.experts.user.pyro_models import PyroExpert
from poedsl.experts.user.registry import Registry
from poedsl.grammar import tree
from poedsl.grammar.types import Type
from tests.diagnostics import quoted, refused
from tests.experts.pyro_models import SIGMA, Y

FILE = Path(__file__).with_name("pyro_models.py")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    own = Registry()
    monkeypatch.setattr(user, "REGISTRY", own)
    modules = set(sys.modules)
    yield own
    for name in set(sys.modules) - modules:
        if name.startswith("_poedsl_"):
            del sys.modules[name]


def read(name: str) -> Signature:
    place = tree.String(value=f"{FILE.name}:{name}")
    found = read_use(tree.Use(name=tree.Name(name="mine"), place=place), FILE.parent)
    assert isinstance(found, Signature), found
    return found


def made(name: str, **arguments: Any) -> PyroExpert:
    place = f"{FILE.name}:{name}"
    code = load_user(read(name), place, FILE.parent, allowed=True)
    expert = build_user(code, arguments, None, CPU)
    assert isinstance(expert, PyroExpert)
    return expert


def program(tmp_path: Path, text: str) -> poedsl.Plan:
    (tmp_path / FILE.name).write_text(FILE.read_text())
    (tmp_path / "program.poe").write_text(text)
    return poedsl.compile(tmp_path / "program.poe", allow_code=True)


def quadrature(extra: Any) -> tuple[float, float, float]:
    """Of eight schools times exp(extra(mu, log tau)): log Z, and the means of mu and log tau."""
    mu = torch.linspace(-40, 50, 1201).double()[:, None]
    log_tau = torch.linspace(-12, 6, 1201).double()[None]
    tau = log_tau.exp()
    logs = dist.Normal(0, 5).log_prob(mu) + dist.HalfCauchy(5.0).log_prob(tau) + log_tau
    for y, sigma in zip(Y.double(), SIGMA.double(), strict=True):
        logs = logs + dist.Normal(mu, (sigma**2 + tau**2).sqrt()).log_prob(y)
    logs = logs + extra(mu, log_tau)
    cell = math.log(90 / 1200 * 18 / 1200)
    shares = (logs - logs.logsumexp((0, 1))).exp()
    return (
        float(logs.logsumexp((0, 1))) + cell,
        float((shares * mu).sum()),
        float((shares * log_tau).sum()),
    )


def test_signatures_are_read_without_running_and_are_those_that_run() -> None:
    found = read("eight_schools")
    assert (found.family, found.domain) == ("density", Type("Real", (None,)))
    assert [str(p) for p in found.parameters] == [
        "y: numbers",
        "sigma: numbers",
        "scale: numbers = 5.0",
    ]
    assert found.summary == "Effects of coaching in eight schools (Rubin 1981)."
    for name in ("supports", "decorated", "nested", "eight_schools"):
        assert load_user(read(name), f"{FILE.name}:{name}", FILE.parent, allowed=True)


@pytest.mark.slow
@pytest.mark.statistical
def test_eight_schools_times_a_second_density(tmp_path: Path) -> None:
    plan = program(
        tmp_path,
        'use schools from "pyro_models.py:eight_schools"\n'
        "input y : Real[8]\ninput s : Real[8]\n"
        "x ~ schools(y, sigma = s)\nx[0] ~ Normal(8, 2)\n",
    )
    plan = plan.bind(y=Y, s=SIGMA)
    result = plan.run(seed=0, particles=1000, steps=20)
    evidence, mu, log_tau = quadrature(lambda mu, _: dist.Normal(8.0, 2.0).log_prob(mu))
    assert result.log_evidence == pytest.approx(evidence, abs=0.1)
    weights, x = result.log_weights.exp(), result.particles["x"].double()
    assert float(weights @ x[:, 0]) == pytest.approx(mu, abs=0.25)
    assert float(weights @ x[:, 1]) == pytest.approx(log_tau, abs=0.2)
    sites = result.sites["schools"]
    assert {n: tuple(v.shape[1:]) for n, v in sites.items()} == {
        "mu": (),
        "tau": (),
        "z": (8,),
        "theta": (8,),
    }
    assert torch.allclose(sites["tau"].double(), x[:, 1].exp(), rtol=1e-4)
    theta = sites["mu"][:, None] + sites["tau"][:, None] * sites["z"]
    assert torch.allclose(sites["theta"], theta)


def test_the_density_is_pyros_with_the_jacobian() -> None:
    expert = made("supports")
    assert expert.batched
    assert expert.size == 1 + 1 + 2 + 3 + 6
    x = torch.randn(5, expert.size, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    log_density = expert(x)
    sites = expert.sites(x)
    sys.path.insert(0, str(FILE.parent))
    from tests.experts.pyro_models import supports

    for i in range(5):
        data = {name: value[i] for name, value in sites.items()}
        trace = poutine.trace(poutine.condition(supports, data=data)).get_trace()
        total = trace.log_prob_sum()
        for name, slot in expert.slots.items():
            bijection = biject_to(trace.nodes[name]["fn"].support)
            free = x[i, slot.part].reshape(slot.shape)
            torch.testing.assert_close(bijection(free), data[name])
            total = total + bijection.log_abs_det_jacobian(free, data[name]).sum()
        torch.testing.assert_close(log_density[i], total)
    (slope,) = torch.autograd.grad(log_density.sum(), x)
    step = 1e-2 * torch.eye(expert.size)
    ahead, behind = (expert(x[0].detach() + s * step) for s in (1, -1))
    torch.testing.assert_close((ahead - behind) / 2e-2, slope[0], rtol=2e-2, atol=2e-2)


def test_what_cannot_run_batched_runs_one_by_one() -> None:
    expert = made("branches")
    assert not expert.batched
    x = torch.tensor([[1.0, 2.0], [-1.0, 0.5]], requires_grad=True)
    expected = dist.Normal(0.0, 1.0).log_prob(x[:, 0])
    expected = expected + dist.Normal(x[:, 0] * torch.tensor([2.0, 1.0]), 1.0).log_prob(x[:, 1])
    torch.testing.assert_close(expert(x), expected)
    assert torch.autograd.grad(expert(x).sum(), x)[0].shape == (2, 2)
    assert expert.sites(x)["b"].shape == (2,)


@pytest.mark.parametrize("name", ["supports", "eight_schools"])
def test_sites_do_not_reach_handlers_around(name: str) -> None:
    expert = made(name, **({"y": Y, "sigma": SIGMA} if name == "eight_schools" else {}))
    x = torch.randn(3, expert.size, generator=torch.Generator().manual_seed(0))
    alone = expert(x)
    with pyro.plate("schools", 4), poutine.trace() as trace, poutine.scale(scale=2.0):
        assert torch.equal(expert(x), alone)
        assert pyro.sample("after", dist.Normal(0.0, 1.0)).shape == (4,)
    assert list(trace.trace.nodes) == ["after"]


@pytest.mark.parametrize(
    ("name", "site"),
    [("coin", "`k`"), ("observed", ""), ("partly", "`data`"), ("backwards", ""), ("fails", "")],
)
def test_models_that_are_no_densities(name: str, site: str) -> None:
    with refused("P0708") as errors:
        made(name)
    assert name in errors[0].message and site in errors[0].message


def test_a_site_that_is_there_only_sometimes() -> None:
    expert = made("wanders")
    with refused("P0708") as errors:
        expert(torch.tensor([[-2.0]]))
    assert "c" in quoted(errors[0])


def test_a_plain_function_is_no_model() -> None:
    place = tree.String(value=f"{FILE.name}:plain")
    found = read_use(tree.Use(name=tree.Name(name="mine"), place=place), FILE.parent)
    assert not isinstance(found, Signature) and found.code == "P0207"


def test_a_variable_of_another_size_is_reported(tmp_path: Path) -> None:
    text = 'use m from "pyro_models.py:decorated"\nx : Real[3]\nx ~ m()\n'
    with refused("P0304") as errors:
        program(tmp_path, text).run(particles=4, steps=2)
    assert "m" in quoted(errors[0])


def test_code_runs_with_leave_only(tmp_path: Path) -> None:
    plan = program(tmp_path, 'use m from "pyro_models.py:decorated"\nx ~ m()\n')
    with refused("P0707"):
        plan.run(allow_code=False, particles=4, steps=2)


@pytest.mark.slow
@pytest.mark.statistical
def test_plans_from_models() -> None:
    def line(x, y, scale: float = 1.0, more=None):  # type: ignore[no-untyped-def]
        """A line through the origin."""
        slope = pyro.sample("slope", dist.Normal(0.0, scale))
        with pyro.plate("data", len(x)):
            pyro.sample("y", dist.Normal(slope * x, 1.0), obs=y)

    x, y = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 1.0, 2.0])
    plan = poedsl.Plan.from_pyro(line, x, y=y, scale=2)
    result = plan.run(seed=0)
    precision = 1 / 4 + float(x.square().sum())
    slope = result.sites["line"]["slope"].double()
    assert float(result.log_weights.exp() @ slope) == pytest.approx(9 / precision, abs=0.03)
    covariance = torch.eye(3) + 4 * torch.outer(x, x)
    exact = dist.MultivariateNormal(torch.zeros(3), covariance).log_prob(y)
    assert result.log_evidence_se is not None and result.log_evidence_se < 0.06
    assert result.log_evidence == pytest.approx(float(exact), abs=4 * result.log_evidence_se)
    again = poedsl.load(plan.to_json())
    assert again.spec.hash == plan.spec.hash
    pyro.set_rng_seed(0)
    trace = poutine.trace(plan.to_pyro()).get_trace()
    assert list(trace.observation_nodes) == ["x.base", "line"]


@pytest.mark.slow
@pytest.mark.statistical
def test_a_plan_keeps_its_model_whatever_has_its_name_later() -> None:
    def shifted(by: float) -> Any:
        def site() -> None:
            pyro.sample("a", dist.Normal(by, 0.1))

        return site

    plans = [poedsl.Plan.from_pyro(shifted(by)) for by in (-3.0, 3.0)]
    means = [float(p.run(particles=64, steps=6).particles["x"].mean()) for p in plans]
    assert means == pytest.approx([-3, 3], abs=0.5)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_plan_runs_what_it_was_compiled_with() -> None:
    def line() -> None:
        pyro.sample("a", dist.Normal(0.0, 1.0))

    poedsl.model(line)
    older, plan = poedsl.compile("x ~ line()"), poedsl.Plan.from_pyro(line)

    def line() -> None:  # type: ignore[no-redef]
        pyro.sample("a", dist.Normal(0.0, 1.0))
        pyro.factor("f", torch.tensor(5.0))

    poedsl.Plan.from_pyro(line)
    assert older.run(seed=0, particles=50).log_evidence == pytest.approx(0.0, abs=0.1)
    poedsl.model(line)
    for kept in (plan, older):
        assert kept.run(seed=0, particles=50).log_evidence == pytest.approx(0.0, abs=0.1)
    newer = poedsl.compile("x ~ line()").run(seed=0, particles=50)
    assert newer.log_evidence == pytest.approx(5.0, abs=0.1)


def test_a_model_of_a_plan_is_not_known_by_its_name() -> None:
    def digits() -> None:
        pyro.sample("a", dist.Normal(0.0, 1.0))

    before = poedsl.compile("x : Image[1, 8, 8]\nx ~ digits()").spec
    poedsl.Plan.from_pyro(digits)
    assert poedsl.compile("x : Image[1, 8, 8]\nx ~ digits()").spec == before


def test_arguments_come_as_they_are() -> None:
    seen: dict[str, Any] = {}

    def model(numbers: Any, /, *rest: Any, given: Any = 3.0, **more: Any) -> None:
        seen.update(numbers=numbers, rest=rest, given=given, **more)
        pyro.sample("a", dist.Normal(0.0, 1.0))

    group, mine = torch.tensor([0, 1, 1]), object()
    plan = poedsl.Plan.from_pyro(
        model, [1.0, 2.0], 3, "text", given=None, sample=True, digits=group, x=[], size=(2, 3),
        mask=[True, False], wide=torch.zeros(2, dtype=torch.float64), mine=mine,
    )  # fmt: skip
    group += 1
    assert plan.run(particles=4, steps=2).outcome.ok
    assert seen["rest"] == (3, "text") and type(seen["rest"][0]) is int
    assert seen["given"] is None and seen["sample"] is True and seen["mine"] is mine
    assert torch.equal(seen["digits"], torch.tensor([0, 1, 1]))
    assert seen["size"] == (2, 3) and seen["x"].shape == (0,)
    assert seen["numbers"].dtype == seen["wide"].dtype == torch.float32
    assert seen["mask"].dtype == torch.bool


def angle() -> None:
    pyro.sample("a", dist.VonMises(0.0, 1.0).expand([2]).to_event(1))


def partly_seen() -> None:
    with pyro.plate("data", 3):
        seen = torch.tensor([True, False, True])
        pyro.sample("a", dist.Normal(0.0, 1.0), obs=torch.zeros(3), obs_mask=seen)


def under_a_mask() -> None:
    with poutine.mask(mask=False):
        pyro.sample("a", dist.Normal(0.0, 1.0))


def masked() -> None:
    pyro.sample(
        "a", dist.Normal(0.0, 1.0).expand([2]).mask(torch.tensor([True, False])).to_event(1)
    )


@pytest.mark.parametrize(
    ("model", "site"),
    [(angle, "a"), (partly_seen, "a_unobserved"), (under_a_mask, "a"), (masked, "a")],
)
def test_sites_without_a_density_on_the_line_are_reported(model: Any, site: str) -> None:
    with refused("P0708") as errors:
        poedsl.Plan.from_pyro(model).run(particles=4, steps=2)
    assert site in quoted(errors[0])


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["Normal", "sample", "exp", "x"])
def test_names_of_the_language_are_no_matter(name: str) -> None:
    def model() -> None:
        pyro.sample("a", dist.Normal(3.0, 0.1))

    model.__name__ = name
    result = poedsl.Plan.from_pyro(model).run(particles=32, steps=6)
    (sites,) = result.sites.values()
    assert float(sites["a"].mean()) == pytest.approx(3.0, abs=0.2)


@pytest.mark.slow
@pytest.mark.statistical
def test_groups_counts_and_masks() -> None:
    def model(group, y, n, seen):  # type: ignore[no-untyped-def]
        mu = pyro.sample("mu", dist.Normal(torch.zeros(n), 1.0).to_event(1))
        with pyro.plate("data", len(y)):
            pyro.sample("y", dist.Normal(mu[group], 1.0).mask(seen), obs=y)

    data = ([0, 1, 1], [0.5, 1.0, 2.0], 2, [True, True, False])
    result = poedsl.Plan.from_pyro(model, *data).run(seed=0)
    exact = dist.Normal(0.0, 2**0.5).log_prob(torch.tensor([0.5, 1.0])).sum()
    assert result.log_evidence == pytest.approx(float(exact), abs=0.05)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_gaussian_over_the_whole_is_tempered_with_the_model() -> None:
    @poedsl.model
    def narrow() -> None:
        with pyro.plate("sites", 2):
            pyro.sample("a", dist.Normal(3.0, 0.1))

    plan = poedsl.compile("x ~ narrow() * Normal(-3, 1)")
    assert "temper" in str(plan.spec.option("path"))
    result = plan.run(seed=0)
    exact = 2 * float(dist.Normal(-3.0, 1.01**0.5).log_prob(torch.tensor(3.0)))
    assert result.log_evidence == pytest.approx(exact, abs=0.3)


def test_a_class_is_no_model() -> None:
    with refused("P0207"):

        @poedsl.model
        class Net: ...


def test_what_is_no_model_is_reported() -> None:
    with pytest.raises(TypeError, match="a model is a function with a name"):
        poedsl.Plan.from_pyro(lambda: None)
    with pytest.raises(TypeError, match="missing a required argument"):
        poedsl.Plan.from_pyro(made("eight_schools", y=Y, sigma=SIGMA).code.target, Y)


def test_points_without_a_covariance_have_no_density() -> None:
    points = torch.tensor([[0.5, 0.0, 0.0], [-1.5, 0.0, 0.0], [0.0, 1.0, 1.0], [2.0, 0.0, 0.0]])
    logs = made("correlated")(points)
    assert logs.isnan().tolist() == [False, True, False, True]
    expected = [math.log(2 * math.pi) * -1.5 - 0.125 - 0.5 * math.log(0.75)]
    assert logs[:1].tolist() == pytest.approx(expected, rel=1e-5)
