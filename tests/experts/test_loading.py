"""What is loaded from a folder is what its files say, or it is refused or warned of."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import poedsl
from poedsl.experts.rewards.classifier import ClassifierScore
from tests.diagnostics import quoted, refused
from tests.experts import tiny, tiny_words
from tests.experts.model_folders import (
    CPU,
    FLUX_PARTS,
    add,
    copy,
    drop,
    edit,
    enlarge,
    flux,
    judged,
    rewrite,
    shard,
    unet,
    warnings_of,
    words,
)
from tests.experts.test_rewards import KINDS


@pytest.mark.parametrize("part", FLUX_PARTS)
@pytest.mark.parametrize("change", [drop, enlarge])
def test_a_weight_of_flux_that_is_not_as_it_should_be_is_named(
    part: str, change: Callable[[dict[str, Tensor]], None], place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    name = rewrite(folder / part / FLUX_PARTS[part], change)
    with refused("P0206") as errors:
        flux(folder)
    assert name in quoted(errors[0]) and f"{part}/" in errors[0].message


@pytest.mark.parametrize("part", FLUX_PARTS)
def test_weights_without_use_are_warned_of_each_time(
    part: str, place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    rewrite(folder / part / FLUX_PARTS[part], add)
    for _ in range(2):
        (found,) = warnings_of(lambda: flux(folder))
        assert found.code == "P1020" and "another.weight" in found.message
        assert found.data == {"folder": str(folder / part), "weights": 1}


@pytest.mark.parametrize("change", [drop, enlarge])
def test_a_weight_of_a_unet_that_is_not_as_it_should_be_is_named(
    change: Callable[[dict[str, Tensor]], None], tmp_path: Path
) -> None:
    folder = Path(tiny.unet_folder(tmp_path))
    name = rewrite(folder / "unet" / "diffusion_pytorch_model.safetensors", change)
    with refused("P0206") as errors:
        unet(folder)
    assert name in quoted(errors[0])


@pytest.mark.slow
@pytest.mark.parametrize("change", [drop, enlarge])
@pytest.mark.parametrize("kind", KINDS)
def test_a_weight_of_a_judge_that_is_not_as_it_should_be_is_named(
    kind: str, change: Callable[[dict[str, Tensor]], None], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    KINDS[kind][1](tmp_path / "judge")
    assert not warnings_of(lambda: judged(kind, tmp_path / "judge"))
    for path in sorted((tmp_path / "judge").rglob("*.safetensors")):
        before = path.read_bytes()
        name = rewrite(path, change)
        with refused("P0206") as errors:
            judged(kind, tmp_path / "judge")
        if "ImageReward" not in path.name:
            last = name.rpartition(".")[0].rpartition(".")[2]
            assert last in errors[0].message
        path.write_bytes(before)


@pytest.mark.parametrize("change", [drop, enlarge])
def test_a_weight_of_a_language_model_or_classifier_that_is_not_as_it_should_be_is_named(
    change: Callable[[dict[str, Tensor]], None], tmp_path: Path
) -> None:
    folder = Path(tiny_words.causal(tmp_path / "lm", layers=1, width=8))
    name = rewrite(folder / "model.safetensors", change)
    with refused("P0206") as errors:
        words(folder)
    assert name in quoted(errors[0])
    classifier = copy("models/digit_score", tmp_path)
    name = rewrite(classifier / "model.safetensors", change)
    with refused("P0206") as errors:
        ClassifierScore(str(classifier), 3, CPU)
    assert name in quoted(errors[0])


def test_constants_and_tied_copies_that_libraries_save_are_no_surprise(
    place: Path, tmp_path: Path
) -> None:
    gpt2 = Path(tiny_words.causal(tmp_path / "gpt2", kind="gpt2", layers=1, width=8))

    def old(weights: dict[str, Tensor]) -> None:
        weights["transformer.h.0.attn.bias"] = torch.ones(1, 1, 4, 4)
        weights["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
        weights["lm_head.weight"] = weights["transformer.wte.weight"].clone()

    rewrite(gpt2 / "model.safetensors", old)
    assert not warnings_of(lambda: words(gpt2))
    folder = copy(tiny.folder("flux", place), tmp_path)

    def clip(weights: dict[str, Tensor]) -> None:
        weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]

    def t5(weights: dict[str, Tensor]) -> None:
        weights["encoder.embed_tokens.weight"] = weights["shared.weight"].clone()
        weights["decoder.final_layer_norm.weight"] = torch.ones(32)

    rewrite(folder / "text_encoder" / "model.safetensors", clip)
    rewrite(folder / "text_encoder_2" / "model.safetensors", t5)
    assert not warnings_of(lambda: flux(folder))


@pytest.mark.parametrize("part", ["text_encoder_2", "transformer"])
@pytest.mark.parametrize("written", [None, "{}"])
def test_networks_without_a_configuration(
    part: str, written: str | None, place: Path, tmp_path: Path
) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    config = folder / part / "config.json"
    config.unlink()
    if written is not None:
        config.write_text(written)
    with refused("P0206") as errors:
        flux(folder)
    assert f"{part}/config.json" in errors[0].message


def test_tied_weights_may_be_absent(tmp_path: Path) -> None:
    folder = Path(tiny_words.causal(tmp_path / "gpt2", kind="gpt2", layers=1, width=8))
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    assert not warnings_of(lambda: words(folder))
    edit(folder / "config.json", tie_word_embeddings=False)
    with refused("P0206") as errors:
        words(folder)
    assert "lm_head.weight" in quoted(errors[0])


@pytest.mark.parametrize("part", FLUX_PARTS)
def test_an_index_that_lists_what_its_files_lack_is_refused(
    part: str, place: Path, tmp_path: Path
) -> None:
    source = tiny.folder("flux", place)
    folder = copy(source, tmp_path)
    index = shard(folder / part / FLUX_PARTS[part])
    z = torch.randn(1, 256, generator=torch.Generator().manual_seed(1))
    whole = flux(Path(source)).velocity(z, 0.5)
    torch.testing.assert_close(flux(folder).velocity(z, 0.5), whole, rtol=0, atol=1e-6)
    name = rewrite(next(index.parent.glob("*00001-of*.safetensors")), drop)
    with refused("P0206") as errors:
        flux(folder)
    assert name in quoted(errors[0])


@pytest.mark.parametrize("part", ["tokenizer", "tokenizer_2"])
def test_flux_without_a_tokenizer_is_refused(part: str, place: Path, tmp_path: Path) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    (folder / part / "tokenizer.json").unlink()
    with refused("P0206") as errors:
        flux(folder)
    assert str(folder / part) in errors[0].message
    shutil.rmtree(folder / part)
    with refused("P0206"):
        flux(folder)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_language_model_without_a_tokenizer_is_refused(kind: str, tmp_path: Path) -> None:
    folder = Path(tiny_words.causal(tmp_path / "lm", kind=kind, layers=1, width=8, end="<end>"))
    for path in folder.glob("*token*"):
        path.unlink()
    for prompt in ("", "ab"):
        with refused("P0206"):
            words(folder, prompt)


def test_the_file_that_a_tokenizer_lacks_is_named(tmp_path: Path) -> None:
    folder = Path(tiny_words.causal(tmp_path / "lm", layers=1, width=8))
    (folder / "tokenizer.json").unlink()
    with refused("P0206") as errors:
        words(folder)
    assert "tokenizer.json" in errors[0].message


@pytest.mark.parametrize("kind", sorted(KINDS.keys()))
def test_a_judge_without_a_processor_is_refused(kind: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    KINDS[kind][1](tmp_path / "judge")
    names = ("preprocessor_config.json", "processor_config.json")
    found = [p for name in names for p in (tmp_path / "judge").rglob(name)]
    assert found
    for path in found:
        path.unlink()
    with refused("P0206"):
        judged(kind, tmp_path / "judge")


def test_adapters_are_said(place: Path, tmp_path: Path) -> None:
    low_rank = {"transformer.x.lora_A.weight": torch.zeros(4, 8)}
    folder = copy(tiny.folder("flux", place), tmp_path)
    save_file(low_rank, folder / "style.safetensors")
    (found,) = set(warnings_of(lambda: flux(folder)))
    assert found.code == "P1021" and found.data["file"].endswith("style.safetensors")
    model = Path(tiny_words.causal(tmp_path / "lm", layers=1, width=8))
    (model / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    with refused("P0206") as errors:
        words(model)
    assert "adapter_config.json" in errors[0].message


def test_warnings_of_loading_are_in_every_result(place: Path, tmp_path: Path) -> None:
    folder = copy(tiny.folder("flux", place), tmp_path)
    rewrite(folder / "vae" / FLUX_PARTS["vae"], add)
    program = (
        f'x : Image[3, 32, 32]\nx ~ flux("a", model = "{folder}")\n'
        "sample x by anneal(particles = 2, steps = 2, kernel = none, move = ode(), "
        "correct = none())\n"
    )
    for _ in range(2):
        result = poedsl.compile(program).run()
        assert [w.code for w in result.warnings].count("P1020") == 1
        assert result.verdict.name == "DOUBTFUL"
