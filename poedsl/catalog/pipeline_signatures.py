"""Signatures of pipelines of diffusers that no expert of the language is made for."""

from __future__ import annotations

from poedsl.catalog.code_references import DefinitionError
from poedsl.catalog.installation import install_command
from poedsl.catalog.parameters import model_parameter
from poedsl.catalog.pipeline_calls import (
    CACHES,
    FRAMES,
    CallParameter,
    PipelineCall,
    has_library,
    pipeline_call,
)
from poedsl.catalog.signatures import REQUIRED, Signature, SignatureParameter
from poedsl.grammar.types import BOOL, INT, REAL, TEXT, Type, open_type

IMPLEMENTATION = "poedsl.experts.flows.pipeline:pipeline_flow"
#: Parameters that a run sets, or that place or scale its steps.
_SET_BY_RUNS = frozenset(
    {
        *("height", "width", "num_inference_steps", "timesteps", "sigmas", "mu", "eta", "strength"),
        *("num_images_per_prompt", "batch_size", "latents", "generator", "seed", "use_dynamic_cfg"),
        *(FRAMES, "num_videos_per_prompt", "decode_chunk_size"),
        *("output_type", "return_dict", "callback_steps", "use_resolution_binning"),
        *("control_guidance_start", "control_guidance_end", "denoising_start", "denoising_end"),
        *("cfg_trunc_ratio", "padding_mask_crop", "_auto_resize", "original_inference_steps"),
        *("skip_layer_guidance_start", "skip_layer_guidance_stop", "decode_timestep"),
        *(CACHES, "use_clipped_model_output", "max_image_size", "max_area", "decode_noise_scale"),
    }
)
#: Beginnings of the names of parameters of networks that are no part of a pipeline's folder.
_NOT_LOADED = ("ip_adapter", "negative_ip_adapter")
_NUMBERS = {"bool": BOOL, "int": INT, "float": REAL}
_SUMMARIES = {
    "prompt": "what the picture shows, in words",
    "prompt_2": "the prompt of its second text encoder; none: the prompt",
    "prompt_3": "the prompt of its third text encoder; none: the prompt",
    "negative_prompt": "what the picture does not show, where it is guided by two calls",
    "guidance_scale": "scale of its guidance",
    "true_cfg_scale": "scale of classifier-free guidance, with a negative prompt",
    "guidance_rescale": "how far guided predictions are scaled back (Lin et al. 2024)",
    "image_guidance_scale": "scale of the guidance by the picture",
    "controlnet_conditioning_scale": "weight of the control network",
    "max_sequence_length": "tokens of the prompt that are read",
    "clip_skip": "layers of CLIP that are left out at its end",
}
#: Milliseconds for one evaluation, for each GB of the network's weights, as of FLUX.1.
_COST = 12.5


def pipeline_signature(place: str, kind: str, domain: Type, space: str, size: float) -> Signature:
    """The signature of the pipeline in a folder, from the call of its class.

    Args:
        place: the folder as the program names it. kind: the class that it names. size: of the
            network that is evaluated, in GB.

    Raises:
        DefinitionError: diffusers is not installed (P0703) or has no such class (P0206), or no
            expert can be made of the class (P0211).
    """
    subject = f'the folder "{place}" holds a {kind}'
    if not has_library():
        message = f"{subject}, and the library `diffusers`, which describes it, is not installed"
        command = install_command("diffusers", "diffusers")
        raise DefinitionError("P0703", message, f"install it with: {command}")
    call = pipeline_call(kind)
    if call is None:
        message = f"{subject}, which the installed diffusers does not have"
        raise DefinitionError("P0206", message, "a later release may: pip install -U diffusers")
    refusal = call.refusal or _needs(call) or _makes_no_picture(call)
    if refusal:
        raise DefinitionError("P0211", f"{subject}, by whose call no expert is made: {refusal}")
    return Signature(
        kind,
        "flow",
        f"{'films' if domain.name == 'Video' else 'pictures'}, by the {kind} in {place}",
        (*parameters(call), model_parameter(place)),
        domain=domain,
        capabilities=frozenset({"score", "sample", "gradient"}),
        cost=round(_COST * size, 4),
        citation="von Platen et al., Diffusers: State-of-the-art diffusion models (2022)",
        implementation=IMPLEMENTATION,
        requires="diffusers",
        space=space,
    )


def parameters(call: PipelineCall) -> tuple[SignatureParameter, ...]:
    """The parameters of a pipeline's call that a program gives, the prompt first."""
    read = [p for written in call.parameters if (p := _parameter(written, call)) is not None]
    return tuple(sorted(read, key=lambda p: p.name != "prompt"))


def _parameter(written: CallParameter, call: PipelineCall) -> SignatureParameter | None:
    name, default = written.name, written.default
    if name in _SET_BY_RUNS or name.startswith(_NOT_LOADED) or "_embeds" in name:
        return None
    if name == "image" or (name.endswith(("_image", "_mask")) and _is_picture(written)):
        return _condition(written, call)
    if "str" in written.kinds:
        text = default if isinstance(default, str) else None
        needed = name == "prompt" or written.required
        summary = _SUMMARIES.get(name, "")
        return SignatureParameter(name, TEXT, "prompt", REQUIRED if needed else text, summary)
    type_ = next((t for n, t in _NUMBERS.items() if n in written.kinds), None)
    if type_ is None:
        return None
    number = default if isinstance(default, int | float) else None
    summary = _SUMMARIES.get(name, "")
    return SignatureParameter(
        name, type_, "number", REQUIRED if written.required else number, summary
    )


def _is_picture(written: CallParameter) -> bool:
    return any("Image" in kind or kind.endswith("Tensor") for kind in written.kinds) and not any(
        written.name.startswith(other) for other in ("prompt", "negative", "attention", "user")
    )


def _condition(written: CallParameter, call: PipelineCall) -> SignatureParameter:
    """A picture or a mask; beside a mask or for a control network as large as the variable."""
    masked = call.parameter("mask_image") is not None
    is_mask = "mask" in written.name
    aligned = is_mask or masked or "control" in written.name or "ControlNet" in call.kind
    optional = "None" in written.kinds and not masked
    return SignatureParameter(
        written.name,
        open_type("Mask" if is_mask else "Image"),
        "condition",
        None if optional else REQUIRED,
        "1 where it repaints" if is_mask else "a picture that its model sees",
        aligned=aligned,
    )


def _needs(call: PipelineCall) -> str:
    """What a call needs and no program can give; empty where there is nothing."""
    set_by_caller = {p.name for p in parameters(call)} | _SET_BY_RUNS
    missing = next((p for p in call.parameters if p.required and p.name not in set_by_caller), None)
    if missing is None:
        return ""
    return f"its call needs `{missing.name}`, which no type of the language is for"


def _makes_no_picture(call: PipelineCall) -> str:
    sized = any(map(call.parameter, ("height", "batch_size", "image")))
    return "" if sized else "its call takes neither the size of a picture nor one to change"
