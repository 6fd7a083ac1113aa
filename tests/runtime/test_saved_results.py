"""Results that are saved and read back, and that go to other processes."""

from __future__ import annotations

import json
import multiprocessing
import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.runtime.core import torch_threads
from poedsl.runtime.results import arviz_data
from poedsl.runtime.results.arviz_data import import_arviz, write_netcdf
from poedsl.runtime.results.saved_files import DETAILS, PARTICLES, PLAN, RESULT
from tests.runtime import rewards_of_a_module

PROGRAMS = {
    "tempered": "input s : Real = 2\nx : Real[2]\nx ~ StudentT(5, s, 1) * where(x[0] > 0)",
    "noised": "x : Real[3]\nx ~ Normal(0, 1) * Normal(1, 2) * exp(-abs(x[0]))",
    "islands": "x ~ Normal(0, 1) * Normal(2, 1)\nsample x by anneal(islands = 4)",
    "symbols": "x : Category[3]\nx ~ Categorical([0.2, 0.3, 0.5])",
    "reports": "x : Real[2]\nx ~ Normal(0, 1)\nreport ratio = x[0] / x[1], y = x^2",
    "reserved": "log_weights ~ Normal(0, 1) * Normal(2, 1)",
    "reward": "x ~ Normal(0, 1) * exp(nearness())",
}


@pytest.fixture(scope="module", params=list(PROGRAMS))
def result(request: pytest.FixtureRequest) -> poedsl.Result:
    options: dict[str, Any] = {} if request.param == "symbols" else {"steps": 5}
    return poedsl.compile(PROGRAMS[request.param]).run(seed=1, particles=80, **options)


def assert_same(again: poedsl.Result, result: poedsl.Result) -> None:
    assert again.plan == result.plan and again.seed == result.seed
    assert repr(again) == repr(result) and again.report() == result.report()
    assert again.evidence == result.evidence and again.verdict is result.verdict
    assert dict(again.summary()) == dict(result.summary())
    assert again.stages == result.stages and again.warnings == result.warnings
    assert again.composition == result.composition and again.calls == result.calls
    assert again.particles.keys() == result.particles.keys()
    for name, x in result.particles.items():
        assert torch.equal(again.particles[name], x) and again.particles[name].dtype is x.dtype
        assert torch.equal(again.sample(7)[name], result.sample(7)[name])
    for name in ("log_weights", "eve_indices", "parents", "scores"):
        assert torch.equal(getattr(again, name), getattr(result, name))
    assert again.reports.keys() == result.reports.keys()
    assert all(torch.equal(again.reports[n], x) for n, x in result.reports.items())
    assert list(again.log_values) == list(result.log_values)
    mine, data = again.to_arviz(), result.to_arviz()
    for group in ("posterior", "sample_stats", "stages"):
        assert mine[group].identical(data[group])
    assert mine.attrs == data.attrs


@pytest.mark.slow
def test_results_are_read_back_as_they_were(tmp_path: Path, result: poedsl.Result) -> None:
    result.save(tmp_path / "out", pictures=False)
    assert_same(poedsl.Result.load(tmp_path / "out"), result)
    assert not (tmp_path / "out" / "posterior.nc").exists()


def test_results_go_to_other_processes(result: poedsl.Result) -> None:
    again = pickle.loads(pickle.dumps(result))
    assert_same(again, result)
    assert again.log_product is None and again.predicted_endpoints is None


def test_failed_runs_and_compositions_are_read_back(tmp_path: Path) -> None:
    failed = poedsl.compile("x ~ Normal(0, 1) * where(x > 1 and x < 0)").run(particles=8, steps=3)
    failed.save(tmp_path / "failed")
    again = poedsl.Result.load(tmp_path / "failed")
    assert again.outcome is failed.outcome and again.evidence == failed.evidence
    text = "x : Real[2]\nx ~ Normal(0, 1) * mixture(Normal(1, 1), Normal(-1, 1))"
    composed = poedsl.compile(text).run(particles=20, steps=4)
    assert composed.composition is not None
    composed.save(tmp_path / "composed", pictures=False)
    assert poedsl.Result.load(tmp_path / "composed").composition == composed.composition


@pytest.mark.slow
def test_the_sites_of_a_model_of_pyro_are_read_back(tmp_path: Path) -> None:
    result = poedsl.Plan.from_pyro(rewards_of_a_module.line, [1.0, 2.0]).run(particles=8, steps=3)
    result.save(tmp_path, pictures=False)
    sites = poedsl.Result.load(tmp_path).sites
    assert sites.keys() == result.sites.keys() == {"line"}
    for name, values in result.sites["line"].items():
        assert torch.equal(sites["line"][name], values)


def test_the_words_of_a_text_are_read_back(tmp_path: Path) -> None:
    result = poedsl.compile("x : Category[3]\nx ~ Categorical([0.2, 0.3, 0.5])").run(particles=9)
    words = Vocabulary((b"a", "é".encode(), b"unused"), end=0)
    shown = replace(result, vocabularies={"x": words}, particles={"x": torch.ones(9, 1).long()})
    shown.save(tmp_path / "texts", pictures=False)
    again = poedsl.Result.load(tmp_path / "texts")
    assert again.texts("x") == shown.texts("x") == ["é"] * 9
    assert again.vocabularies["x"].end == 0 and len(again.vocabularies["x"]) == 3


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def removed(path: Path, key: str) -> None:
    data = json.loads(path.read_text())
    del data[key]
    path.write_text(json.dumps(data))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: (f / RESULT).unlink(), RESULT),
        (lambda f: (f / PARTICLES).unlink(), PARTICLES),
        (lambda f: truncated(f / PARTICLES), PARTICLES),
        (lambda f: truncated(f / DETAILS), DETAILS),
        (lambda f: truncated(f / RESULT), "no JSON"),
        (lambda f: truncated(f / PLAN), PLAN),
        (lambda f: (f / RESULT).write_text("[]"), "schema"),
        (lambda f: changed(f / RESULT, schema="poedsl-result/9"), "poedsl-result/9"),
        (lambda f: changed(f / RESULT, plan_hash="sha256:0"), "of different runs"),
        (lambda f: changed(f / RESULT, verdict="splendid"), "SPLENDID"),
        (lambda f: changed(f / RESULT, stages=[{}]), ""),
        (lambda f: changed(f / RESULT, stages=[]), "sizes"),
        (lambda f: removed(f / RESULT, "components"), "components"),
        (lambda f: [p.unlink() for p in f.iterdir() if p.is_file()], RESULT),
    ],
)
def test_damaged_folders(damage: Callable[[Path], Any], expected: str, tmp_path: Path) -> None:
    result = poedsl.compile("x ~ Normal(0, 1)").run(particles=8, steps=2)
    result.save(tmp_path, pictures=False)
    damage(tmp_path)
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.Result.load(tmp_path)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "P0713" and expected in diagnostic.message


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", Path(__file__)):
        with pytest.raises(poedsl.PoeError) as caught:
            poedsl.Result.load(path)
        assert [d.code for d in caught.value.diagnostics] == ["P0604"]


@pytest.mark.slow
def test_a_pool_of_processes_runs_a_plan_with_a_reward_of_a_module() -> None:
    plan = poedsl.compile(PROGRAMS["reward"]).with_options(particles=20, steps=3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results = pool.map(plan.run, range(2))
    assert [r.seed for r in results] == [0, 1]
    assert torch.equal(results[1].particles["x"], plan.run(1).particles["x"])


def test_forked_processes_run_with_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = torch.get_num_threads()
    plan = poedsl.compile("x ~ Normal(0, 1)")
    try:
        torch.set_num_threads(2)
        plan.run(particles=4, steps=2)
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(torch_threads, "_IMPORTED_IN", -1)
        plan.run(particles=4, steps=2)
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(threads)


def test_code_that_no_other_process_can_import_is_refused_by_its_name() -> None:
    @poedsl.reward
    def of_a_function(x: poedsl.Real) -> Any:
        return -(x**2)

    plan = poedsl.compile("x ~ Normal(0, 1) * exp(of_a_function())")
    with pytest.raises(pickle.PicklingError, match=r"`of_a_function` at .*top level of a module"):
        pickle.dumps(plan.run)
    assert pickle.loads(pickle.dumps(poedsl.compile("x ~ Normal(0, 1)"))).run(particles=4, steps=2)


def test_errors_and_rewards_go_to_other_processes() -> None:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile("x ~ Normal(0, -1)")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    plan = pickle.loads(pickle.dumps(poedsl.compile(PROGRAMS["reward"])))
    assert plan.code["nearness"].target is rewards_of_a_module.nearness


@pytest.mark.slow
def test_without_inference_data_arviz_takes_a_tree_of_xarray(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As in its versions from 1 on."""
    from xarray import DataTree, open_datatree

    result = poedsl.compile(PROGRAMS["islands"]).run(particles=20, steps=3)
    before = result.to_arviz()
    monkeypatch.delattr(import_arviz(), "InferenceData")
    tree = result.to_arviz()
    assert isinstance(tree, DataTree) and tree.attrs == before.attrs
    for group in ("posterior", "sample_stats", "stages"):
        assert tree[group].to_dataset().identical(before[group])
    write_netcdf(tree, tmp_path / "posterior.nc")
    with open_datatree(tmp_path / "posterior.nc", engine="h5netcdf") as again:
        assert again["posterior"].to_dataset().equals(before["posterior"])


def test_the_file_of_the_posterior_needs_no_arviz(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, result: poedsl.Result
) -> None:
    from xarray import open_datatree

    before = result.to_xarray()
    monkeypatch.setitem(sys.modules, "arviz", None)
    assert result.save(tmp_path / "out") == []
    with open_datatree(tmp_path / "out" / "posterior.nc", engine="h5netcdf") as again:
        assert again.attrs == before.attrs and set(again.children) == set(before.children)
        assert again["posterior"].to_dataset().equals(before["posterior"].to_dataset())
    with pytest.raises(ImportError):
        result.to_arviz()


def test_processes_that_import_arviz_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them may not find the file that another has moved."""
    attempts = iter([FileNotFoundError("daily_warning.tmp"), import_arviz()])

    def once(name: str) -> Any:
        value = next(attempts)
        if isinstance(value, Exception):
            raise value
        return value

    monkeypatch.setattr(arviz_data, "import_module", once)
    assert import_arviz().__name__ == "arviz"
