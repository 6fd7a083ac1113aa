"""LoRAs against diffusers' own pipelines after `load_lora_weights`, with random weights."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import pytest
import torch
from diffusers import FluxControlPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor

import poedsl
from poedsl.catalog.adapters import find_loras
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux import FluxControl, FluxFlow
from poedsl.experts.loading.load_warnings import collected
from poedsl.experts.loading.lora import add_loras, twin
from tests.diagnostics import quoted, refused
from tests.experts import tiny
from tests.experts.test_flux import CLASSES, SHAPE, conditions

peft = pytest.importorskip("peft")

CPU = torch.device("cpu")
PLACES = (
    "transformer_blocks.0.attn.to_q",
    "transformer_blocks.0.ff.net.2",
    "single_transformer_blocks.0.proj_mlp",
    "x_embedder",
)
POINT = torch.randn(2, 256, generator=torch.Generator().manual_seed(1))
INT8 = pytest.param(
    {"quantize": "int8"}, marks=pytest.mark.skipif(not find_spec("torchao"), reason="no torchao")
)
CONTROL = tuple(p for p in PLACES if p != "x_embedder")


def normals(seed: int) -> Callable[..., Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda *size: 0.2 * torch.randn(*size, generator=generator)


def low_rank(network: Any, seed: int, places: tuple[str, ...] = PLACES) -> dict[str, Tensor]:
    """Random A (4, in) and B (out, 4) for layers of a network, by their names."""
    draw, weights = normals(seed), {}
    for place in places:
        out, size = network.get_submodule(place).weight.shape
        weights[f"{place}.lora_A.weight"] = draw(4, size)
        weights[f"{place}.lora_B.weight"] = draw(out, 4)
    return weights


def merged(network: Any, weights: Mapping[str, Tensor], scale: float) -> Any:
    """A copy of a network with W + scale B A in place of W."""
    network = copy.deepcopy(network)
    for name in (n for n in weights if n.endswith("lora_A.weight")):
        layer = network.get_submodule(name.removesuffix(".lora_A.weight"))
        layer.weight.data += scale * weights[name.replace("_A", "_B")] @ weights[name]
    return network


def of_pipeline(weights: Mapping[str, Tensor], part: str = "transformer") -> dict[str, Tensor]:
    return {f"{part}.{name}": weight for name, weight in weights.items()}


@pytest.fixture(scope="module")
def files(place: Path) -> Path:
    """A folder with two LoRAs of the FLUX transformer."""
    folder = place / "loras"
    folder.mkdir()
    for seed, name in enumerate("ab", 1):
        weights = of_pipeline(low_rank(tiny.pipeline("flux").transformer, seed))
        save_file(weights, folder / f"{name}.safetensors")
    return folder


def flow(place: Path, files: Path, lora: str, kind: str = "flux", **options: Any) -> FluxFlow:
    loras = find_loras("flux", lora, files) if lora else ()
    profile = Profile(**{"dtype": "float32", **options})
    folder = tiny.folder(kind, place)
    return CLASSES[kind]("a red cat", folder, SHAPE, CPU, profile, loras=loras, **conditions(kind))


def with_network(expert: FluxFlow, network: Any) -> FluxFlow:
    """The expert with another network in place of its own."""
    other = copy.copy(expert)
    other.net = network
    return other


def library(files: Path, kind: str, loras: Mapping[str, float]) -> Any:
    """The transformer of a pipeline after `load_lora_weights`."""
    pipeline = tiny.pipeline(kind)
    for name in loras:
        pipeline.load_lora_weights(files, weight_name=f"{name}.safetensors", adapter_name=name)
    pipeline.set_adapters(list(loras), list(loras.values()))
    return pipeline.transformer


@torch.no_grad()
@pytest.mark.parametrize("kind", ["flux", "flux_schnell", "flux_fill"])
@pytest.mark.parametrize("loras", [{"a": 0.8}, {"a": 0.8, "b": -0.5}])
def test_velocities_are_the_library_s(
    kind: str, loras: dict[str, float], place: Path, files: Path
) -> None:
    text = ", ".join(f"{name}.safetensors:{weight}" for name, weight in loras.items())
    with collected() as warnings, catch_warnings():
        simplefilter("error", UserWarning)
        expert = flow(place, files, text, kind)
    expected = with_network(expert, library(files, kind, loras)).velocity(POINT, 0.6)
    torch.testing.assert_close(expert.velocity(POINT, 0.6), expected, atol=1e-5, rtol=1e-5)
    plain = flow(place, files, "", kind).velocity(POINT, 0.6)
    assert float((expected - plain).abs().max()) > 1e-2
    assert warnings == []


@torch.no_grad()
@pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"quantize": "fp8"}, INT8])
def test_loras_add_to_weights_of_other_precisions(
    options: dict[str, Any], place: Path, files: Path
) -> None:
    found = flow(place, files, "a.safetensors:0.8", **options).velocity(POINT, 0.6)
    expected = flow(place, files, "a.safetensors:0.8").velocity(POINT, 0.6)
    plain = flow(place, files, "").velocity(POINT, 0.6)
    assert float((found - expected).norm() / expected.norm()) < 0.04
    assert float((found - plain).norm() / expected.norm()) > 0.2


def test_experts_have_the_same_weights_and_their_own_loras(place: Path, files: Path) -> None:
    experts = [flow(place, files, lora) for lora in ("a.safetensors:0.8", "b.safetensors", "")]
    places = []
    for expert in experts:
        named = expert.net.named_parameters()
        matrices = {n.replace(".base_layer", ""): w for n, w in named if w.dim() > 1}
        places.append({n: w.data_ptr() for n, w in matrices.items() if "lora_" not in n})
    assert places[0] == places[1] == places[2] and len(places[0]) > 20
    again = flow(place, files, "a.safetensors:0.8")
    assert again.net is experts[0].net
    alone = [library(files, "flux", {"a": 0.8}), library(files, "flux", {"b": 1.0})]
    alone.append(tiny.pipeline("flux").transformer)
    expected = [with_network(experts[0], network).velocity(POINT, 0.6) for network in alone]
    for order in ((0, 1, 2), (2, 0, 1), (1, 1, 0)):
        for n in order:
            with torch.no_grad():
                found = experts[n].velocity(POINT, 0.6)
            torch.testing.assert_close(found, expected[n], atol=1e-5, rtol=1e-5)


def test_what_checkpoints_recompute_is_of_the_same_lora(place: Path, files: Path) -> None:
    """All forward passes come before the first backward pass, which recomputes activations."""
    loras, slopes = ("a.safetensors:0.8", "b.safetensors", ""), []
    for checkpointing in (True, False):
        experts = [flow(place, files, lora, checkpointing=checkpointing) for lora in loras]
        points = [POINT.clone().requires_grad_() for _ in experts]
        values = [e.velocity(p, 0.6).square().sum() for e, p in zip(experts, points, strict=True)]
        if checkpointing:
            assert all(e.net.is_gradient_checkpointing for e in experts)
            assert experts[0].net.training is False
        slopes.append([torch.autograd.grad(v, p)[0] for v, p in zip(values, points, strict=True)])
    for recomputed, kept in zip(*slopes, strict=True):
        torch.testing.assert_close(recomputed, kept, atol=0, rtol=0)
    assert not torch.allclose(slopes[0][0], slopes[0][1], atol=1e-3)


# Other formats.


@torch.no_grad()
def test_a_folder_of_peft_is_read_with_its_configuration(place: Path, files: Path) -> None:
    transformer = tiny.pipeline("flux").transformer
    weights = low_rank(transformer, 5)
    config = peft.LoraConfig(
        r=4, lora_alpha=3, target_modules=list(PLACES), use_rslora=True, init_lora_weights=False
    )
    model = peft.get_peft_model(copy.deepcopy(transformer), config)
    peft.set_peft_model_state_dict(model, {f"base_model.model.{n}": w for n, w in weights.items()})
    model.save_pretrained(files / "peft")
    expert = flow(place, files, "peft:0.5")
    expected = with_network(expert, merged(transformer, weights, 0.5 * 3 / 4**0.5))
    torch.testing.assert_close(
        expert.velocity(POINT, 0.6), expected.velocity(POINT, 0.6), atol=1e-5, rtol=1e-5
    )
    path = files / "peft" / "adapter_config.json"
    written = json.loads(path.read_text())
    for change in ({"bias": "all"}, {"another_option": 1}):
        path.write_text(json.dumps(written | change))
        with refused("P0206") as errors:
            flow(place, files, "peft")
        assert set(change) <= quoted(errors[0])


@torch.no_grad()
def test_names_of_kohya_s_scripts_are_converted(place: Path, files: Path) -> None:
    """One matrix for queries, keys and values, and a scale alpha / rank."""
    transformer, draw = tiny.pipeline("flux").transformer, normals(6)
    down, up = draw(4, 32), draw(96, 4)
    name = "lora_unet_double_blocks_0_img_attn_qkv"
    kohya = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}
    kohya[f"{name}.alpha"] = torch.tensor(2.0)
    save_file(kohya, files / "kohya.safetensors")
    weights = {}
    for letter, part in zip("qkv", up.split(32), strict=True):
        weights[f"transformer_blocks.0.attn.to_{letter}.lora_A.weight"] = down
        weights[f"transformer_blocks.0.attn.to_{letter}.lora_B.weight"] = part
    expert = flow(place, files, "kohya.safetensors:0.7")
    expected = with_network(expert, merged(transformer, weights, 0.7 * 2 / 4))
    torch.testing.assert_close(
        expert.velocity(POINT, 0.6), expected.velocity(POINT, 0.6), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_a_control_lora_gives_a_network_more_inputs(place: Path, files: Path) -> None:
    transformer, draw = tiny.pipeline("flux").transformer, normals(7)
    weights = low_rank(transformer, 7, CONTROL)
    weights |= {"x_embedder.lora_A.weight": draw(4, 32), "x_embedder.lora_B.weight": draw(32, 4)}
    for layer in PLACES:
        width = len(weights[f"{layer}.lora_B.weight"])
        weights[f"{layer}.lora_B.bias"] = draw(width)
    weights["transformer_blocks.0.attn.norm_q.weight"] = 1 + draw(16)
    save_file(of_pipeline(weights), files / "control.safetensors")
    plain = flow(place, files, "")
    before = plain.velocity(POINT, 0.6)
    with collected() as warnings:
        loras = find_loras("flux_depth", "control.safetensors:0.9", files)
        folder = tiny.folder("flux", place)
        own, profile = conditions("flux_depth"), Profile(dtype="float32")
        expert = FluxControl("a red cat", folder, SHAPE, CPU, profile, loras=loras, **own)
    assert warnings == []
    parts = tiny.pipeline("flux").components
    needed = {k: parts[k] for k in parts if k not in ("image_encoder", "feature_extractor")}
    control = FluxControlPipeline(**needed)
    control.load_lora_weights(files, weight_name="control.safetensors", adapter_name="control")
    control.set_adapters(["control"], [0.9])
    expected = with_network(expert, control.transformer).velocity(POINT, 0.6)
    torch.testing.assert_close(expert.velocity(POINT, 0.6), expected, atol=1e-5, rtol=1e-5)
    assert torch.equal(plain.velocity(POINT, 0.6), before)
    with refused("P0206"):
        flow(place, files, "control.safetensors")


@torch.no_grad()
def test_a_unet_has_loras_by_the_pipeline_of_its_folder(tmp_path: Path) -> None:
    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=16,
        norm_num_groups=2,
        attention_head_dim=4,
    ).eval()
    places = tuple(n for n, _ in unet.named_modules() if n.endswith("to_k"))
    weights = low_rank(unet, 8, places)
    kohya = {}
    for name, weight in weights.items():
        place, end = name.rsplit(".lora_", 1)
        side = "down" if end.startswith("A") else "up"
        kohya[f"lora_unet_{place.replace('.', '_')}.lora_{side}.weight"] = weight
        kohya[f"lora_unet_{place.replace('.', '_')}.alpha"] = torch.tensor(2.0)
    save_file(kohya, tmp_path / "style.safetensors")
    index = tmp_path / "model_index.json"
    index.write_text('{"_class_name": "StableDiffusionPipeline"}')
    loras = find_loras("unet", "style.safetensors:0.5", tmp_path)
    adapted = twin(unet)
    add_loras(adapted, str(tmp_path), "unet", loras)
    draw = normals(9)
    x, words = draw(2, 4, 8, 8), draw(2, 5, 16)
    expected = merged(unet, weights, 0.5 * 2 / 4)(x, 10, words).sample
    torch.testing.assert_close(adapted(x, 10, words).sample, expected, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(unet(x, 10, words).sample, expected, atol=1e-3)
    index.write_text('{"_class_name": "DDPMPipeline"}')
    with refused("P0206"):
        add_loras(twin(unet), str(tmp_path), "unet", loras)


# Files that are broken or of another network.

FIRST = "transformer.transformer_blocks.0.attn.to_q.lora"


@pytest.mark.parametrize(
    "change",
    [
        {f"{FIRST}_A.weight": None},
        {f"{FIRST}_B.weight": None},
        {f"{FIRST}_A.weight": torch.zeros(4, 7)},
        {f"{FIRST}_A.weight": torch.zeros(4, 99)},
        {f"{FIRST}_B.weight": torch.zeros(7, 4)},
        {"transformer.x_embedder.dora_scale": torch.zeros(3)},
        {"transformer.x_embedder.lokr_w1": torch.zeros(3, 3)},
    ],
)
def test_broken_files_are_refused(
    change: dict[str, Tensor | None], place: Path, files: Path, tmp_path: Path
) -> None:
    weights = of_pipeline(low_rank(tiny.pipeline("flux").transformer, 1)) | change
    save_file({n: w for n, w in weights.items() if w is not None}, tmp_path / "x.safetensors")
    with refused("P0206"):
        flow(place, tmp_path, "x.safetensors")


@pytest.mark.parametrize("content", [b"", b"junk", {"a.weight": torch.zeros(2)}, "prefix"])
def test_other_files_are_refused(content: Any, place: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "prefix":
        save_file(of_pipeline(low_rank(tiny.pipeline("flux").transformer, 1), "diffusion"), path)
    else:
        save_file(content, path)
    with refused("P0206"):
        flow(place, tmp_path, "x.safetensors")


@pytest.mark.parametrize(
    "module",
    [
        "transformer.transformer_blocks.7.attn.to_q",
        "text_encoder_2.encoder.block.0.layer.0.SelfAttention.q",
    ],
)
def test_weights_for_other_layers_are_warned_of(module: str, place: Path, tmp_path: Path) -> None:
    weights = of_pipeline(low_rank(tiny.pipeline("flux").transformer, 1))
    weights[f"{module}.lora_A.weight"] = torch.zeros(4, 32)
    weights[f"{module}.lora_B.weight"] = torch.zeros(32, 4)
    save_file(weights, tmp_path / "x.safetensors")
    with collected() as warnings:
        flow(place, tmp_path, "x.safetensors")
    assert [w.code for w in warnings] == ["P1020"]
    assert module.removeprefix("transformer.") in warnings[0].message


def test_a_program_names_loras_beside_it(place: Path, files: Path) -> None:
    folder = tiny.folder("flux", place)
    program = (
        f'x : Image[3, 32, 32]\nx ~ flux("a red cat", model = "{folder}"{{}})\n'
        "sample x by anneal(particles = 1, steps = 2, kernel = none)\n"
    )

    def drawn(lora: str) -> Tensor:
        path = files / "program.poe"
        path.write_text(program.format(f', lora = "{lora}"' if lora else ""))
        return poedsl.compile(path).run(seed=0).particles["x"]

    assert torch.equal(drawn("a.safetensors"), drawn("a.safetensors:1"))
    assert not torch.allclose(drawn("a.safetensors"), drawn("b.safetensors"), atol=1e-3)
    assert torch.equal(drawn("a.safetensors:0"), drawn(""))
