"""Prompts that are cut, and parts that overflow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

import poedsl
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.latents import Codec
from poedsl.experts.loading import shared_networks
from poedsl.runtime.results.pictures import draw
from tests.diagnostics import quoted, refused, warning_data
from tests.experts import tiny
from tests.experts.model_folders import (
    CPU,
    FLUX_PARTS,
    PROFILE,
    copy,
    edit,
    flux,
    rewrite,
    warnings_of,
)
from tests.experts.test_rewards import KINDS


@pytest.mark.parametrize("kind", ["clipscore", "siglip", "imagereward", "owlv2", "grounding_dino"])
def test_a_judge_says_that_a_prompt_is_cut(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    make, build, own, _ = KINDS[kind]
    build(tmp_path / "judge")
    capfd.readouterr()
    text = {k: "a cat " * 60 for k in ("prompt", "phrase") if k in own}
    (found,) = warnings_of(
        lambda: make(**(own | text), folder=str(tmp_path / "judge"), device=CPU, profile=PROFILE)
    )
    assert found.code == "P1022"
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_a_prompt_of_flux_that_is_cut_is_a_line_of_the_result(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tiny.folder("flux", place)
    capfd.readouterr()
    found = warnings_of(lambda: FluxFlow("cat " * 20, folder, (tiny.LATENTS, 8, 8), CPU, PROFILE))
    assert [(w.code, w.data["tokens_read"]) for w in found] == [("P1022", 16)]
    assert found[0].data["reader"] == "text_encoder_2"
    assert capfd.readouterr() == ("", "")


def overflowing(weights: dict[str, Tensor]) -> None:
    for name in weights:
        if name.startswith("decoder.mid_block") and name.endswith("conv2.weight"):
            weights[name] *= 3e5


@pytest.mark.parametrize("upcast", [True, False])
def test_an_autoencoder_that_overflows_is_in_float32_or_fails_the_run(
    upcast: bool, place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    rewrite(folder / "vae" / FLUX_PARTS["vae"], overflowing)
    edit(folder / "vae" / "config.json", force_upcast=upcast)
    (tmp_path / "poe.toml").write_text('[profile.half]\ndtype = "float16"\n')
    program = tmp_path / "flux.poe"
    program.write_text(
        f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{folder}")\n'
        "sample x by anneal(particles = 3, steps = 2, kernel = none, move = ode(), "
        "correct = none())\n"
    )
    result = poedsl.compile(program).run(profile="half")
    assert result.verdict.name == ("RELIABLE" if upcast else "FAILED")
    assert bool(torch.isfinite(result.particles["x"]).all())
    named = [data["variable"] for data in warning_data(result, "P1001") if "variable" in data]
    assert named == ([] if upcast else ["x"])


def test_pictures_that_are_not_finite_have_no_weight_and_are_not_shown(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = Codec._decoded

    def failing(self: Codec, latents: Tensor) -> Tensor:
        images = decode(self, latents)
        images[0, :, :3] = torch.nan
        return images

    monkeypatch.setattr(Codec, "_decoded", failing)
    program = (
        f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{tiny.folder("flux", place)}")\n'
        "sample x by anneal(particles = 3, steps = 2, kernel = none, move = ode(), "
        "correct = none())\n"
    )
    result = poedsl.compile(program).run()
    assert result.log_weights.isinf().tolist() == [True, False, False]
    assert result.best_index != 0 and result.verdict.name == "DOUBTFUL"
    assert (1, 3) in [(data["particles"], data["of"]) for data in warning_data(result, "P1001")]
    assert not bool(result.particles["x"][0].any())
    draw(result, tmp_path)
    assert len(list(tmp_path.glob("x-0*.png"))) == 2


def test_a_judge_that_overflows_fails_the_run_by_its_name(place: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    KINDS["clipscore"][1](tmp_path / "judge")

    def overflow(weights: dict[str, Tensor]) -> None:
        weights["visual_projection.weight"].fill_(torch.inf)

    rewrite(tmp_path / "judge" / "model.safetensors", overflow)
    program = (
        f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{tiny.folder("flux", place)}") '
        f'* exp(clipscore("a cat", model = "{tmp_path / "judge"}"))\n'
        "sample x by anneal(particles = 3, steps = 2)\n"
    )
    result = poedsl.compile(program).run()
    assert result.verdict.name == "FAILED"
    assert "clipscore" in [data.get("factor") for data in warning_data(result, "P1001")]


def test_conditions_that_an_autoencoder_cannot_encode_are_refused(
    place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)

    def overflow(weights: dict[str, Tensor]) -> None:
        weights["encoder.conv_out.bias"].fill_(torch.inf)

    rewrite(folder / "vae" / FLUX_PARTS["vae"], overflow)
    with refused("P0206") as errors:
        Codec(str(folder), CPU, PROFILE).encode(torch.rand(1, 3, 32, 32))
    assert "vae" in errors[0].message


@pytest.mark.parametrize("part", ["text_encoder", "text_encoder_2"])
def test_prompts_that_are_not_finite_are_refused(part: str, place: Path, tmp_path: Path) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)

    def overflow(weights: dict[str, Tensor]) -> None:
        (last,) = (n for n in weights if n.endswith("final_layer_norm.weight"))
        weights[last].fill_(torch.inf)

    rewrite(folder / part / FLUX_PARTS[part], overflow)
    with refused("P0206") as errors:
        flux(folder)
    assert f"{part} makes" in errors[0].message


@pytest.mark.parametrize(
    "program",
    [
        'x : Image[3, 32, 32]\nx ~ flux("a", model = "playroom/flux")',
        'x ~ room("couch")',
        "x ~ digits(3)",
    ],
)
def test_a_missing_library_names_the_expert_and_a_command_that_works(
    program: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_networks.unet.cache_clear()
    shared_networks.autoencoder.cache_clear()
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with refused("P0703") as errors:
        poedsl.compile(program).run()
    expert = program.partition("~ ")[2].partition("(")[0]
    assert quoted(errors[0]) == {expert, "diffusers"}
    root = Path(poedsl.__file__).resolve().parents[1]
    assert f"pip install -e '{root}[diffusers]'" in errors[0].notes[0]
