"""Models in single files are the models of their folders, or what they lack is said."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel
from diffusers.loaders import single_file_model, single_file_utils
from safetensors.torch import load_file, save_file
from torch import Tensor

import poedsl
from poedsl.catalog import single_files
from poedsl.catalog.registry import SIGNATURES
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.stable_diffusion import StableDiffusion, StableDiffusionXL
from poedsl.experts.loading.load_warnings import LoadWarning, collected
from tests.diagnostics import quoted, refused
from tests.experts import single_files as layouts
from tests.experts import tiny
from tests.experts import tiny_stable_diffusion as tiny_sd
from tests.experts.model_folders import CPU, PROFILE

SHAPE = (4, 8, 8)
EXPERTS: dict[str, Any] = {"sd": StableDiffusion, "sdxl": StableDiffusionXL}
#: A weight of every part of a file, whose loss or other size is an error.
WEIGHTS = {
    "unet": "model.diffusion_model.input_blocks.1.0.in_layers.2.weight",
    "vae": "first_stage_model.decoder.mid.attn_1.q.weight",
    "text_encoder": "conditioner.embedders.0.transformer.text_model.final_layer_norm.bias",
    "text_encoder_2": "conditioner.embedders.1.model.transformer.resblocks.0.attn.in_proj_weight",
}


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The single files of both families, each in a folder of its own."""
    place = tmp_path_factory.mktemp("single")
    for kind in EXPERTS:
        (place / kind).mkdir()
        layouts.written(tiny_sd.pipeline(kind), place / kind)
    return place


@pytest.fixture
def sdxl(originals: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(originals / "sdxl", tmp_path / "sdxl")) / "model.safetensors"


def made(kind: str, model: Path) -> Any:
    return EXPERTS[kind]("a cat", str(model), SHAPE, CPU, PROFILE, negative="blur")


def loaded(kind: str, model: Path) -> list[LoadWarning]:
    with collected() as found:
        made(kind, model)
    return found


def change(path: Path, changed: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(path)
    changed(weights)
    save_file(weights, path)


@pytest.mark.parametrize("kind", ["sd", pytest.param("sdxl", marks=pytest.mark.slow)])
def test_a_file_is_the_model_of_its_folder(kind: str, place: Path, originals: Path) -> None:
    with collected() as found:
        ours = made(kind, originals / kind / "model.safetensors")
        theirs = made(kind, Path(tiny_sd.folder(kind, place)))
    assert not found
    for network, other in ((ours.net, theirs.net), (ours.codec.vae, theirs.codec.vae)):
        weights, others = network.state_dict(), other.state_dict()
        assert weights.keys() == others.keys()
        assert all(torch.equal(w, others[n]) for n, w in weights.items())
    x = torch.randn(2, 256, generator=torch.Generator().manual_seed(0))
    at = ours.scheduler.sigmas[500]
    scores = [flow.noised(x, (1 - at**2) ** 0.5, at).score for flow in (ours, theirs)]
    torch.testing.assert_close(*scores, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("part", WEIGHTS)
@pytest.mark.parametrize("lost", [True, False])
def test_a_weight_of_a_file_that_is_not_as_it_should_be(part: str, lost: bool, sdxl: Path) -> None:
    name = WEIGHTS[part]

    def damage(weights: dict[str, Tensor]) -> None:
        weight = weights.pop(name)
        if not lost:
            weights[name] = weight[:-1].contiguous()

    change(sdxl, damage)
    with refused("P0206") as errors:
        made("sdxl", sdxl)
    assert f"{part}/" in errors[0].message or any(name.startswith(q) for q in quoted(errors[0]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "model.diffusion_model.middle_block.1.another.weight",
        "model.diffusion_model.another",
        "first_stage_model.decoder.another.weight",
        "conditioner.embedders.0.transformer.text_model.another.weight",
        "conditioner.embedders.1.model.another",
        "control_model.another",
        "v_pred",
    ],
)
def test_weights_that_the_library_would_leave_out_are_warned_of(name: str, sdxl: Path) -> None:
    change(sdxl, lambda weights: weights.update({name: torch.zeros(2)}))
    (found,) = set(loaded("sdxl", sdxl))
    assert found.code == "P1020" and name.rpartition("another")[1] in found.message


@pytest.mark.slow
def test_constants_of_training_are_no_surprise(sdxl: Path) -> None:
    names = (
        "alphas_cumprod",
        "model_ema.diffusion_modelinput_blocks00weight",
        "denoiser.sigmas",
        "conditioner.embedders.1.model.logit_scale",
        "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
    )
    change(sdxl, lambda weights: weights.update({n: torch.zeros(2) for n in names}))
    assert not loaded("sdxl", sdxl)


def test_scales_of_quantised_weights_are_refused(sdxl: Path) -> None:
    name = "model.diffusion_model.out.2.scale_weight"
    change(sdxl, lambda weights: weights.update({name: torch.ones(1)}))
    with refused("P0206") as errors:
        made("sdxl", sdxl)
    assert name in errors[0].message


def test_a_part_that_the_file_lacks_is_that_of_the_folder(
    sdxl: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(weights: dict[str, Tensor]) -> None:
        for name in [n for n in weights if n.startswith(layouts.VAE)]:
            del weights[name]

    change(sdxl, without)
    with refused("P0206") as errors:
        made("sdxl", sdxl)
    assert "vae" in errors[0].message
    whole = Path(tiny_sd.folder("sdxl", place))
    shutil.copytree(whole / "vae", sdxl.parent / "model" / "vae", dirs_exist_ok=True)
    assert not loaded("sdxl", sdxl)


@pytest.mark.slow
@pytest.mark.parametrize("where", ["model", "config", ".", "hub", ""])
def test_where_configurations_are(
    where: str, sdxl: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = sdxl.parent / "model"
    if where == ".":
        shutil.copytree(home, sdxl.parent, dirs_exist_ok=True)
        shutil.rmtree(home)
    elif where != "model":
        home = home.rename(tmp_path / "hub" if where in ("hub", "") else sdxl.parent / where)
    ids = {"stabilityai/stable-diffusion-xl-base-1.0": home} if where == "hub" else {}
    monkeypatch.setattr(single_files, "cached_folder", ids.get)
    (tmp_path / "links").mkdir()
    expert = 'x : Image[3, 32, 32]\nx ~ sdxl("a cat", model = "model.safetensors")'
    (sdxl.parent / "p.poe").write_text(f"{expert}\nsample x by anneal(particles = 2, steps = 1)")
    (sdxl.parent / "use.poe").write_text(
        'use e from "model.safetensors"\nx : Image[3, 32, 32]\nx ~ e("a cat")'
    )
    if where:
        signature = poedsl.compile(sdxl.parent / "use.poe").spec.signature("e")
        assert signature.parameter("prompt_2") is None and signature.parameter("negative")
        assert not poedsl.compile(sdxl.parent / "p.poe").run(seed=0).warnings
        return
    for program in ("p.poe", "use.poe"):
        with refused("P0206") as errors:
            poedsl.compile(sdxl.parent / program).run(seed=0)
        assert any("stable-diffusion-xl-base-1.0" in note for note in errors[0].notes)


@pytest.mark.slow
def test_a_link_has_the_configurations_beside_it(sdxl: Path, tmp_path: Path) -> None:
    place = tmp_path / "links"
    place.mkdir()
    shutil.move(sdxl.parent / "model", place / "other")
    (place / "other.safetensors").symlink_to(sdxl)
    assert not loaded("sdxl", place / "other.safetensors")


def test_files_of_other_layouts_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    programs = {
        "P0701": 'x : Image[3, 32, 32]\nx ~ sd("a", model = "x.safetensors")',
        "P0206": 'use e from "x.safetensors"\nx : Image[3, 32, 32]\nx ~ e("a")',
    }
    for code, text in programs.items():
        (tmp_path / "p.poe").write_text(text)
        with refused(code) as errors:
            poedsl.compile(tmp_path / "p.poe").run(seed=0)
        notes = errors[0].notes
        assert any("FLUX.1" in n for n in notes) and not any("hf download" in n for n in notes)


def header(path: Path, shapes: dict[str, tuple[int, ...]]) -> Path:
    """A file with the header of weights, and no weights."""
    entries = {n: {"dtype": "F16", "shape": s, "data_offsets": [0, 0]} for n, s in shapes.items()}
    text = json.dumps(entries).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text)
    return path


_FIRST = "model.diffusion_model.input_blocks.0.0.weight"
_KEYS = "model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"
_SDXL = "conditioner.embedders.1.model.transformer.resblocks.9.mlp.c_proj.bias"
_FLUX = {"double_blocks.0.img_attn.norm.key_norm.scale": (128,), "guidance_in.in_layer.bias": (9,)}


@pytest.mark.parametrize(
    "shapes",
    [
        {_FIRST: (320, 4, 3, 3), _KEYS: (640, 768)},
        {_FIRST: (320, 9, 3, 3), _KEYS: (640, 768)},
        {_FIRST: (320, 4, 3, 3), _KEYS: (640, 1024)},
        {_FIRST: (320, 9, 3, 3), _KEYS: (640, 1024)},
        {_FIRST: (320, 4, 3, 3), _SDXL: (1280,)},
        {_FIRST: (320, 9, 3, 3), _SDXL: (1280,)},
        {**_FLUX, "img_in.weight": (3072, 64)},
        {**_FLUX, "img_in.weight": (3072, 128)},
        {**_FLUX, "img_in.weight": (3072, 384)},
        {f"model.diffusion_model.{n}": s for n, s in _FLUX.items()}
        | {"model.diffusion_model.img_in.weight": (3072, 64)},
        {"double_blocks.0.img_attn.norm.key_norm.scale": (128,), "img_in.weight": (3072, 64)},
    ],
)
def test_layouts_are_those_of_the_library(shapes: dict[str, Any], tmp_path: Path) -> None:
    found = single_files.layout(header(tmp_path / "x.safetensors", shapes))
    empty = {n: torch.empty(s, device="meta") for n, s in shapes.items()}
    theirs = single_file_utils.fetch_diffusers_config(empty)["pretrained_model_name_or_path"]
    assert found is not None and theirs in found.ids


def test_default_models_have_the_layouts_of_their_experts() -> None:
    ids = {
        i
        for x in vars(single_files).values()
        if isinstance(x, single_files.SingleFileFormat)
        for i in x.ids
    }
    for name in ("sd", "sd_inpaint", "sdxl", "sdxl_inpaint", "flux", "flux_schnell", "flux_fill"):
        parameter = SIGNATURES[name].parameter("model")
        assert parameter is not None and parameter.default in ids


@pytest.mark.slow
def test_the_transformer_of_flux_in_a_file(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other parts are in the folder beside it."""
    whole = Path(tiny.folder("flux", place))
    home = Path(shutil.copytree(whole, tmp_path / "model"))
    (home / "transformer" / "diffusion_pytorch_model.safetensors").unlink()
    net = tiny.pipeline("flux").transformer
    conversion = {"checkpoint_mapping_fn": layouts.narrow_flux(net.inner_dim)}
    monkeypatch.setitem(
        single_file_model.SINGLE_FILE_LOADABLE_CLASSES, "FluxTransformer2DModel", conversion
    )
    path = tmp_path / "model.safetensors"
    save_file({n: w.contiguous().clone() for n, w in layouts.flux(net).items()}, path)
    with collected() as found:
        flow = FluxFlow("a cat", str(path), (tiny.LATENTS, 8, 8), CPU, PROFILE)
    assert not found
    written = net.state_dict()
    assert all(torch.equal(w, written[n]) for n, w in flow.net.state_dict().items())
    change(path, lambda w: w.update({"double_blocks.0.another": torch.zeros(2)}))
    with collected() as found:
        FluxFlow("a cat", str(path), (tiny.LATENTS, 8, 8), CPU, PROFILE)
    assert [w.code for w in found] == ["P1020"]


@pytest.mark.slow
def test_the_layout_of_flux_at_its_size(tmp_path: Path) -> None:
    """All weights of FLUX.1 [dev], by their sizes alone."""
    from poedsl.experts.loading.single_file_weights import _compare

    with torch.device("meta"):
        net = FluxTransformer2DModel(guidance_embeds=True)
    shapes = {n: tuple(w.shape) for n, w in layouts.flux(net).items()}
    with collected() as found:
        _compare(FluxTransformer2DModel, net.config, shapes, tmp_path / "x", "transformer")
    assert not found
