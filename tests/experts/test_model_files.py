"""Which files of a folder are found, and what is said of others."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import poedsl
from tests.diagnostics import quoted, refused
from tests.experts import tiny, tiny_words
from tests.experts.model_folders import copy, edit, flux, rename_weights, words


def test_weights_of_one_precision_are_found(place: Path, tmp_path: Path) -> None:
    source = tiny.folder("flux", place)
    folder = copy(source, tmp_path)
    rename_weights(folder, ".fp16.safetensors")
    z = torch.randn(1, 256, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        flux(folder).velocity(z, 0.5), flux(Path(source)).velocity(z, 0.5), rtol=0, atol=0
    )
    vae = folder / "vae"
    shutil.copy(next(vae.glob("*.fp16.*")), vae / "diffusion_pytorch_model.bf16.safetensors")
    with refused("P0206") as errors:
        flux(folder)
    assert "fp16" in errors[0].message and "bf16" in errors[0].message


@pytest.mark.parametrize("suffix", [".bin", ".ckpt"])
def test_pickles_are_not_read(suffix: str, tmp_path: Path) -> None:
    folder = Path(tiny_words.causal(tmp_path / "lm", layers=1, width=8))
    rename_weights(folder, suffix)
    with refused("P0206") as errors:
        words(folder)
    assert f"model{suffix}" in errors[0].message


def test_single_files_are_named(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(2)}, tmp_path / "flux1-dev.safetensors")
    with refused("P0206") as errors:
        flux(tmp_path)
    assert "from_single_file" in errors[0].message
    for file in ("flux1-dev.safetensors", "x.gguf"):
        (tmp_path / file).touch()
        program = f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{tmp_path / file}")'
        with refused("P0701") as errors:
            poedsl.compile(program).run()
        assert any("it is a file" in note for note in errors[0].notes)


def test_gguf_names_the_library_that_it_needs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model-q8_0.gguf").write_bytes(b"GGUF")
    for library in ("gguf", "accelerate"):
        monkeypatch.setitem(sys.modules, library, None)
    program = f'use w from "{tmp_path}"\ny : Tokens[2]\ny ~ w("ab")'
    with refused("P0703") as errors:
        poedsl.compile(program).run()
    assert {"lm", "gguf"} <= quoted(errors[0])
    assert "[gguf]" in errors[0].notes[0]


@pytest.mark.parametrize("values", [{}, {"architectures": ["GPT2Model"]}, {"architectures": None}])
def test_use_takes_what_causal_models_are_loaded_from(
    values: dict[str, Any], tmp_path: Path
) -> None:
    folder = Path(tiny_words.causal(tmp_path / "lm", kind="gpt2", end="<end>", layers=1, width=8))
    edit(folder / "config.json", **values)
    sampled = "\nsample y by anneal(particles = 8)"
    used = poedsl.compile(f'use w from "{folder}"\ny : Tokens[2]\ny ~ w("ab"){sampled}').run()
    named = poedsl.compile(f'y : Tokens[2]\ny ~ lm("{folder}", "ab"){sampled}').run()
    assert torch.equal(used.particles["y"], named.particles["y"])
