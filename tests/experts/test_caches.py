"""Networks are read once for all that use them, and again where their folder is another."""

from __future__ import annotations

from pathlib import Path

import pytest

import poedsl
from poedsl.experts.sequences.language_model import read_vocabulary
from tests.experts.tiny_words import causal

PROGRAM = 'y : Tokens[2]\ny ~ lm("model", "ab")'


def probabilities() -> list[float]:
    result = poedsl.compile(PROGRAM).run(seed=0, particles=4)
    return [round(float(v), 5) for v in result.log_values["lm"]]


def model(place: Path, seed: int) -> None:
    causal(place / "model", "abcd", seed=seed, layers=1, width=8)


def test_a_relative_folder_is_another_one_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for seed, name in enumerate("ab"):
        model(tmp_path / name, seed)
        monkeypatch.chdir(tmp_path / name)
        found.append(probabilities())
    assert found[0] != found[1]


def test_weights_that_are_written_again_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model(tmp_path, 0)
    before = probabilities()
    model(tmp_path, 1)
    after = probabilities()
    assert after != before
    model(tmp_path, 0)
    assert probabilities() == before


def test_what_stays_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model(tmp_path, 0)
    first = read_vocabulary(str(tmp_path / "model"))
    monkeypatch.chdir(tmp_path)
    assert read_vocabulary("model") is first and read_vocabulary(folder="model") is first
