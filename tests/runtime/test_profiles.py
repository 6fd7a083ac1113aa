"""Profiles: where they are found, what they change, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.inputs.profile_files import read_profile
from poedsl.runtime.run import Run
from poedsl.runtime.targets.prefixes import SequenceTarget
from tests.diagnostics import quoted, refused
from tests.experts import tiny
from tests.experts.tiny_words import causal


def write(place: Path, text: str) -> Path:
    (place / "poe.toml").write_text(text, encoding="utf-8")
    return place


def test_those_that_come_along_need_no_file(tmp_path: Path) -> None:
    assert read_profile("default", tmp_path) == Profile()
    assert read_profile("small", tmp_path).models["flux"] == "playroom/flux"


def test_a_byte_order_mark(tmp_path: Path) -> None:
    write(tmp_path, '\ufeff[profile.mine]\ndtype = "bfloat16"\n')
    assert read_profile("mine", tmp_path).dtype == "bfloat16"


def test_a_file_that_is_nested_too_deeply(tmp_path: Path) -> None:
    write(tmp_path, "a = " + "[" * 100_000)
    with refused("P0710"):
        read_profile("mine", tmp_path)


def test_a_file_above_the_program_is_found_and_adds_to_what_comes_along(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(
        tmp_path,
        '[profile.small]\ndtype = "bfloat16"\n[profile.small.models]\nflux = "mine"\n'
        '[profile.big]\nquantize = "fp8"\nmicrobatch = 2\n',
    )
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    small = read_profile("small", inner)
    assert small.dtype == "bfloat16"
    assert small.models["flux"] == str(tmp_path / "mine")
    assert small.models["flux_depth"] == "playroom/flux-depth"
    big = read_profile("big", inner)
    assert (big.name, big.quantize, big.microbatch) == ("big", "fp8", 2)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "mine"),
        ("[profile.mine", ""),
        ("[profiles.mine]\n", "profiles"),
        ("[profile.mine]\ndtyp = 'float32'", "dtyp"),
        ("[profile.mine]\ndtype = 'float64'", "dtype"),
        ("[profile.mine]\nmicrobatch = true", "microbatch"),
        ("[profile.mine.models]\nflx = 'a'", "flx"),
        ("[profile.mine]\nmodels = 3", "models"),
        ("profile = 3", "profile"),
    ],
)
def test_what_is_wrong_is_reported(text: str, name: str, tmp_path: Path) -> None:
    with refused("P0710") as errors:
        read_profile("mine", write(tmp_path, text))
    assert not name or name in quoted(errors[0])


@pytest.mark.slow
def test_a_profiles_weights_are_taken_unless_the_program_names_its_own(tmp_path: Path) -> None:
    folders = [tiny.folder("flux", tmp_path, seed) for seed in (0, 1)]
    write(tmp_path, f'[profile.mine.models]\nflux = "{folders[1]}"\n')
    profile = read_profile("mine", tmp_path)

    def used(program: str) -> str:
        made = Run(poedsl.compile(program).bound().spec, RunSettings(profile=profile))
        found: str = made.target.experts[0].expert.folder
        return found

    assert used('x ~ flux("a")') == folders[1]
    assert used(f'x ~ flux("a", model = "{folders[0]}")') == folders[0]


def test_a_profile_names_the_language_model(tmp_path: Path) -> None:
    folders = [causal(tmp_path / name, "abc") for name in ("one", "two")]
    write(tmp_path, '[profile.mine.models]\nlm = "one"\n')
    profile = read_profile("mine", tmp_path)
    start = "y : Tokens[2]\ny ~ lm"

    def used(call: str, profile: Profile) -> str:
        target = Run(poedsl.compile(f"{start}({call})").spec, RunSettings(profile=profile)).target
        assert isinstance(target, SequenceTarget)
        found: str = target.sequence_factors[0].expert.folder  # type: ignore[attr-defined]
        return found

    assert used('prompt = "a"', profile) == folders[0]
    assert used(f'"{folders[1]}", "a"', profile) == folders[1]
    with pytest.raises(poedsl.PoeError) as caught:
        used('prompt = "a"', Profile())
    (found,) = caught.value.diagnostics
    assert found.code == "P0701" and any("[profile.NAME.models]" in n for n in found.notes)


@pytest.mark.slow
def test_weights_in_eight_bits_are_near(tmp_path: Path) -> None:
    folder = tiny.folder("flux", tmp_path)
    plan = poedsl.compile(f'x ~ flux("a", model = "{folder}")').bound().spec
    z = torch.randn(2, 256, generator=torch.Generator().manual_seed(1))
    targets = [
        Run(plan, RunSettings(profile=Profile(dtype="float32", quantize=q))).target
        for q in ("none", "fp8")
    ]
    assert [t.inference_mode for t in targets] == [True, False]
    found = [t.experts[0].expert.noised(z, 0.6, 0.8).score for t in targets]
    error = float((found[0] - found[1]).norm() / found[0].norm())
    assert 0 < error < 0.1
