"""Models of each family as the package loads them, and as their libraries do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from torch import Tensor

from benchmarks import judge_subjects, pipeline_subjects, transformer_subjects
from poedsl.catalog.profiles import Profile
from poedsl.experts.flows.flux import FluxFlow
from poedsl.experts.flows.packing import pack, positions
from poedsl.experts.flows.stable_diffusion import StableDiffusion, StableDiffusionXL
from poedsl.experts.flows.stable_diffusion_3 import StableDiffusion3
from poedsl.experts.flows.unet import VariancePreservingUNet, unet_flow
from poedsl.experts.rewards.classifier import ClassifierScore
from poedsl.experts.sequences.language_model import LanguageModel
from tests.experts import (
    tiny,
    tiny_pipelines,
    tiny_rewards,
    tiny_stable_diffusion,
    tiny_wan,
    tiny_words,
)
from tests.experts.test_rewards import KINDS

CPU, PROFILE = torch.device("cpu"), Profile(dtype="float32")
MODELS = Path(__file__).resolve().parents[1] / "models"
LATENTS, PROMPT, STEPS = (tiny.LATENTS, 8, 8), "a cat", 4


@dataclass(frozen=True)
class Loaded:
    """Networks with the folders of their weights, and what they compute."""

    networks: Mapping[str, Any]
    output: Tensor


@dataclass(frozen=True)
class Subject:
    """A family: how a folder is made, how the package loads it, and how its library does."""

    build: Callable[[Path], object]
    load: Callable[[str], Loaded]
    library: Callable[[str], Tensor] | None = None


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


def load_flux(folder: str) -> Loaded:
    flow = FluxFlow(PROMPT, folder, LATENTS, CPU, PROFILE)
    z = noise(1, *LATENTS)
    parts = (
        torch.tensor(flow.times(STEPS, LATENTS, snaps=False)),
        flow.velocity(z.flatten(1), 0.5).flatten(),
        flow.codec.decode(z).flatten(),
    )
    return Loaded({"transformer": flow.net, "vae": flow.codec.vae}, torch.cat(parts))


def library_flux(folder: str) -> Tensor:
    own = diffusers.FluxPipeline.from_pretrained(folder, local_files_only=True)
    z, c = noise(1, *LATENTS), own.scheduler.config
    lengths = c.base_image_seq_len, c.max_image_seq_len
    shift = calculate_shift(16, *lengths, c.base_shift, c.max_shift)
    own.scheduler.set_timesteps(sigmas=[1 - k / STEPS for k in range(STEPS)], mu=shift)
    length = min(512, own.tokenizer_2.model_max_length)
    tokens, pooled, texts = own.encode_prompt(PROMPT, max_sequence_length=length)
    velocity = own.transformer(
        hidden_states=pack(z),
        timestep=torch.tensor([0.5 * c.num_train_timesteps / 1000]),
        guidance=torch.tensor([3.5]) if own.transformer.config.guidance_embeds else None,
        pooled_projections=pooled,
        encoder_hidden_states=tokens,
        txt_ids=texts,
        img_ids=positions(8, 8),
        return_dict=False,
    )[0]
    v = torch.nn.functional.pixel_shuffle(velocity.mT.reshape(1, -1, 4, 4), 2)
    decoded = own.vae.decode(z / own.vae.config.scaling_factor + own.vae.config.shift_factor)[0]
    picture = torch.where(decoded.isfinite(), decoded, torch.nan).div(2).add(0.5).clamp(0, 1)
    return torch.cat([own.scheduler.sigmas, v.flatten(), picture.flatten()])


def load_unet(folder: str) -> Loaded:
    flow = VariancePreservingUNet(folder, (3, 8, 8), CPU, PROFILE, label=0)
    sigma = flow.scheduler.sigmas[len(flow.scheduler.sigmas) // 2]
    score = flow.noised(noise(1, 192), (1 - sigma**2) ** 0.5, sigma).score
    return Loaded({"unet": flow.unet}, score.flatten())


def library_unet(folder: str) -> Tensor:
    own = diffusers.UNet2DModel.from_pretrained(folder, subfolder="unet").eval()
    name = json.loads((Path(folder) / "scheduler" / "scheduler_config.json").read_text())
    scheduler = getattr(diffusers, name["_class_name"]).from_pretrained(
        folder, subfolder="scheduler"
    )
    time, x = len(scheduler.alphas_cumprod) // 2, noise(1, 3, 8, 8)
    out = own(x, time, class_labels=torch.tensor([0])).sample
    data = scheduler.step(out, time, x).pred_original_sample
    kept = scheduler.alphas_cumprod[time]
    return ((kept.sqrt() * data - x) / (1 - kept)).flatten()


def load_stable_diffusion(family: str) -> Callable[[str], Loaded]:
    made: Any = {"sd": StableDiffusion, "sdxl": StableDiffusionXL, "sd3": StableDiffusion3}[family]

    def load(folder: str) -> Loaded:
        flow = made(PROMPT, folder, LATENTS, CPU, PROFILE, guidance=2.0)
        z = noise(1, *LATENTS)
        if family == "sd3":
            field = flow.velocity(z.flatten(1), 0.5)
        else:
            sigma = flow.scheduler.sigmas[len(flow.scheduler.sigmas) // 2]
            field = flow.noised(z.flatten(1), (1 - sigma**2) ** 0.5, sigma).score
        times = torch.tensor(flow.times(STEPS, LATENTS, snaps=False))
        output = torch.cat([times, field.flatten(), flow.codec.decode(z).flatten()])
        part = "transformer" if family == "sd3" else "unet"
        return Loaded({part: flow.net, "vae": flow.codec.vae}, output)

    return load


def library_stable_diffusion(family: str) -> Callable[[str], Tensor]:
    def output(folder: str) -> Tensor:
        kind = tiny_stable_diffusion.PIPELINES[family]
        own = getattr(diffusers, kind).from_pretrained(folder, local_files_only=True)
        name = json.loads((Path(folder) / "scheduler" / "scheduler_config.json").read_text())
        scheduler = getattr(diffusers, name["_class_name"]).from_pretrained(
            folder, subfolder="scheduler"
        )
        z = noise(1, *LATENTS)
        if family == "sd3":
            times, field = of_third(own, scheduler, z)
        else:
            times, field = of_unet(own, scheduler, z, family)
        settings = own.vae.config
        decoded = own.vae.decode(z / settings.scaling_factor + (settings.shift_factor or 0))[0]
        picture = torch.where(decoded.isfinite(), decoded, torch.nan).div(2).add(0.5).clamp(0, 1)
        return torch.cat([times, field.flatten(), picture.flatten()])

    return output


def of_third(own: Any, scheduler: Any, z: Tensor) -> tuple[Tensor, Tensor]:
    c, u, *pooled = own.encode_prompt(PROMPT, None, None, do_classifier_free_guidance=True)
    time = torch.tensor([0.5 * scheduler.config.num_train_timesteps])
    with_it, without = (
        own.transformer(z, encoder_hidden_states=t, pooled_projections=p, timestep=time)[0]
        for t, p in ((c, pooled[0]), (u, pooled[1]))
    )
    patches = 64 // own.transformer.config.patch_size**2
    c = scheduler.config
    lengths = c.base_image_seq_len, c.max_image_seq_len
    shift = calculate_shift(patches, *lengths, c.base_shift, c.max_shift)
    scheduler.set_timesteps(STEPS, mu=shift if c.use_dynamic_shifting else None)
    return scheduler.sigmas, without + 2 * (with_it - without)


def of_unet(own: Any, scheduler: Any, z: Tensor, family: str) -> tuple[Tensor, Tensor]:
    if family == "sd":
        embeddings = own.encode_prompt(PROMPT, CPU, 1, do_classifier_free_guidance=True)
        added: list[Any] = [None, None]
    else:
        *embeddings, c, u = own.encode_prompt(PROMPT, device=CPU)
        ids = torch.tensor([[32, 32, 0, 0, 32, 32]])
        added = [{"text_embeds": p, "time_ids": ids} for p in (c, u)]
    kept = scheduler.alphas_cumprod
    time = len(kept) // 2
    with_it, without = (
        own.unet(z, time, encoder_hidden_states=t, added_cond_kwargs=a)[0]
        for t, a in zip(embeddings, added, strict=True)
    )
    out = without + 2 * (with_it - without)
    alpha, sigma = kept[time].sqrt(), (1 - kept[time]).sqrt()
    kind = scheduler.config.prediction_type
    if kind == "epsilon":
        score = -out / sigma
    else:
        score = -z - alpha / sigma * out
        score = score if kind == "v_prediction" else (alpha * out - z) / sigma**2
    scheduler.set_timesteps(STEPS)
    if hasattr(scheduler, "sigmas"):
        ratios = scheduler.sigmas
    else:
        times = scheduler.timesteps
        ratios = torch.cat([((1 - kept) / kept).sqrt()[times], torch.zeros(1)])
    return torch.where(ratios.isinf(), 1.0, ratios / (1 + ratios)), score


def load_words(folder: str) -> Loaded:
    model = LanguageModel("ab", folder=folder, profile=PROFILE, device=CPU)
    return Loaded({"": model.network}, model.first[0])


def library_words(folder: str) -> Tensor:
    own = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
    logits = own.float()(**tokenizer("ab", return_tensors="pt")).logits[0, -1].float()
    known = torch.tensor(sorted(set(tokenizer.get_vocab().values())))
    size = min(int(known.max()) + 1, len(logits))
    missing = torch.ones(size, dtype=torch.bool)
    missing[known[known < size]] = False
    logs = logits[:size].masked_fill(missing, -torch.inf).log_softmax(-1)
    stops = own.generation_config.eos_token_id
    ends = [tokenizer.eos_token_id, *(stops if isinstance(stops, list) else [stops])]
    ends = [end for end in dict.fromkeys(ends) if end is not None and end < size]
    if len(ends) > 1:  # texts end at all of them: the first stands for them
        total = logs[ends].logsumexp(0)
        logs[ends] = -torch.inf
        logs[ends[0]] = total
    return logs


def load_classifier(folder: str) -> Loaded:
    score = ClassifierScore(folder, 3, CPU)
    return Loaded({"": score.model}, score(noise(2, 1, 8, 8).sigmoid()))


def library_classifier(folder: str) -> Tensor:
    kind = transformers.AutoModelForImageClassification
    own = kind.from_pretrained(folder, local_files_only=True).eval().float()
    images = 2 * noise(2, 1, 8, 8).sigmoid() - 1
    return own(pixel_values=images).logits.log_softmax(-1)[:, 3]


def load_digits(folder: str) -> Loaded:
    flow = unet_flow(folder, 3, (1, 8, 8), CPU)
    times = torch.tensor(flow.scheduler.times(STEPS))
    velocity = flow.velocity(noise(1, 64), 0.5).flatten()
    return Loaded({"unet": flow.unet}, torch.cat([times, velocity]))


def library_digits(folder: str) -> Tensor:
    own = diffusers.UNet2DModel.from_pretrained(folder, subfolder="unet").eval()
    kind = diffusers.FlowMatchEulerDiscreteScheduler
    scheduler = kind.from_pretrained(folder, subfolder="scheduler")
    scheduler.set_timesteps(sigmas=[1 - k / STEPS for k in range(STEPS)])
    # A number that is no tensor would be rounded down by the network.
    time = torch.tensor(0.5 * scheduler.config.num_train_timesteps)
    velocity = own(noise(1, 1, 8, 8), time, class_labels=torch.tensor([3])).sample
    return torch.cat([scheduler.sigmas, velocity.flatten()])


def judge(kind: str) -> Subject:
    make, build, arguments, side = KINDS[kind]

    def load(folder: str) -> Loaded:
        made: Any = make(**arguments, folder=folder, device=CPU, profile=PROFILE)
        networks = {"": made.net} if isinstance(made.net, torch.nn.Module) else {}
        return Loaded(networks, made(tiny_rewards.pictures(2, side, side)))

    library = judge_subjects.LIBRARY.get(kind)
    return Subject(build, load, (lambda folder: library(folder, side)) if library else None)


def stable_diffusion(family: str) -> Subject:
    def build(folder: Path) -> None:
        tiny_stable_diffusion.pipeline(family).save_pretrained(folder)

    return Subject(build, load_stable_diffusion(family), library_stable_diffusion(family))


def transformer(kind: str) -> Subject:
    return Subject(
        transformer_subjects.build(kind),
        lambda folder: Loaded(*transformer_subjects.drawn(kind, folder)),
        lambda folder: transformer_subjects.drawn_by_library(kind, folder),
    )


def called(kind: str) -> Subject:
    return Subject(
        lambda folder: tiny_pipelines.pipeline(kind).save_pretrained(folder),
        lambda folder: Loaded(*pipeline_subjects.called(kind, folder)),
        lambda folder: pipeline_subjects.called_by_library(kind, folder),
    )


def single_file(kind: str) -> Subject:
    loaded, by_library = load_stable_diffusion(kind), library_stable_diffusion(kind)
    file = "model.safetensors"
    return Subject(
        pipeline_subjects.single_file(kind),
        lambda folder: Loaded({}, loaded(f"{folder}/{file}").output),
        lambda folder: pipeline_subjects.unpacked(by_library)(f"{folder}/{file}"),
    )


def copied(name: str) -> Callable[[Path], object]:
    return lambda folder: shutil.copytree(MODELS / name, folder)


def build_unet(folder: Path) -> None:
    Path(tiny.unet_folder(folder.parent)).rename(folder)


SUBJECTS: Mapping[str, Subject] = {
    "flux": Subject(lambda f: tiny.pipeline("flux").save_pretrained(f), load_flux, library_flux),
    "unet": Subject(build_unet, load_unet, library_unet),
    **{family: stable_diffusion(family) for family in ("sd", "sdxl", "sd3")},
    **{kind: transformer(kind) for kind in transformer_subjects.EXPERTS},
    **{f"pipeline {kind}": called(kind) for kind in pipeline_subjects.CALLED},
    "wan": Subject(
        lambda f: tiny_wan.pipeline("wan_t2v").save_pretrained(f),
        lambda f: Loaded(*pipeline_subjects.film(f)),
        pipeline_subjects.film_by_library,
    ),
    "sd in a file": single_file("sd"),
    "lora": Subject(
        pipeline_subjects.build_lora,
        lambda f: Loaded(*pipeline_subjects.adapted(f)),
        pipeline_subjects.adapted_by_library,
    ),
    "digits": Subject(copied("digits"), load_digits, library_digits),
    "llama": Subject(
        lambda f: tiny_words.causal(f, end="<end>", layers=1, width=8), load_words, library_words
    ),
    "gpt2": Subject(
        lambda f: tiny_words.causal(f, kind="gpt2", end="<end>", layers=1, width=8),
        load_words,
        library_words,
    ),
    "gguf": Subject(pipeline_subjects.build_gguf, load_words, pipeline_subjects.gguf_by_library),
    "classifier": Subject(copied("digit_score"), load_classifier, library_classifier),
    **{kind: judge(kind) for kind in KINDS if kind != "grounding_dino"},
}
