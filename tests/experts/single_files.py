"""Single files in the layouts of the first releases, from pipelines of diffusers."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path
from typing import Any

import torch
from diffusers.loaders import single_file_utils
from safetensors.torch import save_file
from torch import Tensor

Weights = dict[str, Tensor]
UNET, VAE = "model.diffusion_model.", "first_stage_model."
#: Layers of a residual block of the UNet, and of a text encoder of OpenCLIP, by their first names.
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def written(pipeline: Any, place: Path, *, beside: str = "") -> Path:
    """A single file with the weights of a pipeline, and a folder without weights beside it."""
    home = place / (beside or "model")
    pipeline.save_pretrained(home)
    for path in home.rglob("*.safetensors"):
        path.unlink()
    weights = checkpoint(pipeline)
    save_file({n: w.contiguous().clone() for n, w in weights.items()}, place / "model.safetensors")
    return place / "model.safetensors"


def checkpoint(pipeline: Any) -> Weights:
    """The weights of a pipeline in the layout of its first release."""
    if hasattr(pipeline, "transformer"):
        return flux(pipeline.transformer)
    out = {UNET + n: w for n, w in unet(pipeline.unet).items()}
    out |= {VAE + n: w for n, w in vae(pipeline.vae).items()}
    clip = {f"text_model.{n}": w for n, w in text_model(pipeline.text_encoder).items()}
    if not hasattr(pipeline, "text_encoder_2"):
        return out | {f"cond_stage_model.transformer.{n}": w for n, w in clip.items()}
    out |= {f"conditioner.embedders.0.transformer.{n}": w for n, w in clip.items()}
    second = open_clip(pipeline.text_encoder_2)
    return out | {f"conditioner.embedders.1.model.{n}": w for n, w in second.items()}


def text_model(encoder: Any) -> Weights:
    inner = getattr(encoder, "text_model", encoder)
    return dict(inner.state_dict())


def open_clip(encoder: Any) -> Weights:
    out: Weights = {"text_projection": encoder.text_projection.weight.T}
    packed: dict[str, dict[str, Tensor]] = {}
    for name, weight in text_model(encoder).items():
        if found := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.([qkv])_proj\.(\w+)", name):
            packed.setdefault(f"{found[1]}.attn.in_proj_{found[3]}", {})[found[2]] = weight
        elif found := re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(\w+)", name):
            out[f"transformer.resblocks.{found[1]}.{_OPEN_CLIP[found[2]]}.{found[3]}"] = weight
        elif name.startswith("final_layer_norm."):
            out["ln_final." + name.rpartition(".")[2]] = weight
        elif "token_embedding" in name:
            out["token_embedding.weight"] = weight
        else:
            out["positional_embedding"] = weight
    for name, parts in packed.items():
        out[f"transformer.resblocks.{name}"] = torch.cat([parts[p] for p in "qkv"])
    return out


def unet(net: Any) -> Weights:
    blocks, layers = len(net.config.block_out_channels), net.config.layers_per_block
    places: dict[str, str] = {"conv_in": "input_blocks.0.0", "conv_norm_out": "out.0"}
    places |= {"conv_out": "out.2"}
    places |= {f"time_embedding.linear_{n}": f"time_embed.{2 * n - 2}" for n in (1, 2)}
    places |= {f"add_embedding.linear_{n}": f"label_emb.0.{2 * n - 2}" for n in (1, 2)}
    for i in range(blocks):
        for j in range(layers):
            at = f"input_blocks.{(layers + 1) * i + j + 1}"
            places[f"down_blocks.{i}.resnets.{j}"] = f"{at}.0"
            places[f"down_blocks.{i}.attentions.{j}"] = f"{at}.1"
        places[f"down_blocks.{i}.downsamplers.0.conv"] = (
            f"input_blocks.{(layers + 1) * (i + 1)}.0.op"
        )
        attends = "CrossAttn" in net.config.up_block_types[i]
        for j in range(layers + 1):
            at = f"output_blocks.{(layers + 1) * i + j}"
            places[f"up_blocks.{i}.resnets.{j}"] = f"{at}.0"
            places[f"up_blocks.{i}.attentions.{j}"] = f"{at}.1"
        places[f"up_blocks.{i}.upsamplers.0.conv"] = f"{at}.{2 if attends else 1}.conv"
    places |= {"mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1"}
    places |= {"mid_block.resnets.1": "middle_block.2"}
    return {_placed(name, places, _RESNET): w for name, w in net.state_dict().items()}


def vae(net: Any) -> Weights:
    blocks = len(net.config.block_out_channels)
    places: dict[str, str] = {}
    for side in ("encoder", "decoder"):
        places |= {f"{side}.conv_norm_out": f"{side}.norm_out"}
        places |= {f"{side}.mid_block.resnets.{j}": f"{side}.mid.block_{j + 1}" for j in (0, 1)}
        places |= {f"{side}.mid_block.attentions.0": f"{side}.mid.attn_1"}
    for i in range(blocks):
        for j in range(net.config.layers_per_block + 1):
            places[f"encoder.down_blocks.{i}.resnets.{j}"] = f"encoder.down.{i}.block.{j}"
            places[f"decoder.up_blocks.{i}.resnets.{j}"] = f"decoder.up.{blocks - 1 - i}.block.{j}"
        places[f"encoder.down_blocks.{i}.downsamplers.0"] = f"encoder.down.{i}.downsample"
        places[f"decoder.up_blocks.{i}.upsamplers.0"] = f"decoder.up.{blocks - 1 - i}.upsample"
    inner = {"conv_shortcut": "nin_shortcut", "group_norm": "norm", "to_out.0": "proj_out"}
    inner |= {f"to_{c}": c for c in "qkv"}
    out = {}
    for name, weight in net.state_dict().items():
        attends = ".attentions." in name and weight.dim() == 2
        out[_placed(name, places, inner)] = weight[..., None, None] if attends else weight
    return out


def _placed(name: str, places: dict[str, str], inner: dict[str, str]) -> str:
    """The name of a weight, by the places of its module and the names of the layers in it."""
    for place in sorted(places, key=len, reverse=True):
        if name.startswith(f"{place}."):
            rest, _, last = name.removeprefix(f"{place}.").rpartition(".")
            if rest.startswith("transformer_blocks") or not rest:
                return f"{places[place]}.{rest}.{last}".replace("..", ".")
            return f"{places[place]}.{inner.get(rest, rest)}.{last}"
    return name


_FLUX = {
    "norm1.linear": "img_mod.lin",
    "norm1_context.linear": "txt_mod.lin",
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0",
    "ff_context.net.2": "txt_mlp.2",
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
}
_FLUX_SINGLE = {
    "norm.linear": "modulation.lin",
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
    "proj_out": "linear2",
}
_FLUX_ENDS = {
    "time_text_embed.timestep_embedder.linear_1": "time_in.in_layer",
    "time_text_embed.timestep_embedder.linear_2": "time_in.out_layer",
    "time_text_embed.text_embedder.linear_1": "vector_in.in_layer",
    "time_text_embed.text_embedder.linear_2": "vector_in.out_layer",
    "time_text_embed.guidance_embedder.linear_1": "guidance_in.in_layer",
    "time_text_embed.guidance_embedder.linear_2": "guidance_in.out_layer",
    "context_embedder": "txt_in",
    "x_embedder": "img_in",
    "proj_out": "final_layer.linear",
}


def flux(net: Any) -> Weights:
    out: Weights = {}
    packed: dict[str, list[Tensor]] = {}
    state = net.state_dict()
    for name, weight in state.items():
        module, _, last = name.rpartition(".")
        if found := re.fullmatch(r"(single_)?transformer_blocks\.(\d+)\.(.+)", module):
            block = f"{'single' if found[1] else 'double'}_blocks.{found[2]}"
            inner = (_FLUX_SINGLE if found[1] else _FLUX).get(found[3])
            last = "scale" if ".norm_" in module else last
            if inner is not None:
                out[f"{block}.{inner}.{last}"] = weight
        elif module == "norm_out.linear":
            out[f"final_layer.adaLN_modulation.1.{last}"] = torch.cat(weight.chunk(2)[::-1])
        else:
            out[f"{_FLUX_ENDS[module]}.{last}"] = weight
    for n in range(net.config.num_layers):
        for stream, names in {"img": "to_{}", "txt": "add_{}_proj"}.items():
            for last in ("weight", "bias"):
                keys = [f"transformer_blocks.{n}.attn.{names.format(c)}.{last}" for c in "qkv"]
                packed[f"double_blocks.{n}.{stream}_attn.qkv.{last}"] = [state[k] for k in keys]
    for n in range(net.config.num_single_layers):
        for last in ("weight", "bias"):
            parts = (*(f"attn.to_{c}" for c in "qkv"), "proj_mlp")
            keys = [f"single_transformer_blocks.{n}.{p}.{last}" for p in parts]
            packed[f"single_blocks.{n}.linear1.{last}"] = [state[k] for k in keys]
    return out | {name: torch.cat(parts) for name, parts in packed.items()}


def narrow_flux(width: int) -> Any:
    """The library's conversion of FLUX.1, which knows one width, for a narrower network."""
    source = inspect.getsource(single_file_utils.convert_flux_transformer_checkpoint_to_diffusers)
    source = source.replace("inner_dim = 3072", f"inner_dim = {width}")
    made = dict(vars(single_file_utils))
    exec(textwrap.dedent(source), made)
    return made["convert_flux_transformer_checkpoint_to_diffusers"]
