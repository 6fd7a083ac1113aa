"""What a run costs at the size of FLUX.1: random weights, so that nothing is fetched.

    python benchmarks/flux_speed.py [--size flux|small] [--device cuda] [--out FILE.json]

Two settings. `insert`: 960 x 1664, 28 steps, one Langevin step each, an inpainting expert and a
depth expert that is drawn to it by two updates, one particle (Zhang et al., 4.1; they report about
four minutes on an H200). `layout`: 1024 x 1024, a text expert on the whole and five depth experts
on boxes, eight particles. A row has the seconds of the run, the share of them outside of the models
(against the same calls made bare in the same process, gradients where the run took them), and the
peak of memory. `--size small` is the same on a tiny transformer and small pictures, for a CPU.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import Profile
from poedsl.experts.loading import shared_networks
from poedsl.experts.loading.dtypes import network_dtype
from poedsl.experts.loading.weight_files import read_config
from poedsl.experts.protocol import Generative, Noised
from poedsl.runtime.core.cost import in_words
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run

SIZES: dict[str, dict[str, Any]] = {
    "flux": {
        "transformer": {
            "num_layers": 19,
            "num_single_layers": 38,
            "attention_head_dim": 128,
            "num_attention_heads": 24,
            "joint_attention_dim": 4096,
            "pooled_projection_dim": 768,
            "axes_dims_rope": (16, 56, 56),
        },
        "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "groups": 32},
        "tokens": 512,
        "insert": (960, 1664),
        "layout": (1024, 1024),
        "particles": 8,
        "steps": 28,
    },
    "small": {
        "transformer": {
            "num_layers": 1,
            "num_single_layers": 1,
            "attention_head_dim": 16,
            "num_attention_heads": 2,
            "joint_attention_dim": 32,
            "pooled_projection_dim": 32,
            "axes_dims_rope": (4, 4, 8),
        },
        "vae": {"block_out_channels": (8, 8, 8, 8), "layers_per_block": 1, "groups": 2},
        "tokens": 16,
        "insert": (64, 96),
        "layout": (64, 64),
        "particles": 2,
        "steps": 4,
    },
}
LATENTS = 16
CHANNELS = {"flux": 4 * LATENTS, "flux_depth": 8 * LATENTS, "flux_fill": 8 * LATENTS + 256}
INSERT = """
input mask : Mask
x ~ flux_fill(mask, image, "a can", model = "{flux_fill}") ^ (1 - mask)
x ~ flux_depth(depth, "a can", model = "{flux_depth}") ^ mask given x
sample x by anneal(
    particles = 1, steps = {steps}, kernel = langevin(steps = 1), move = ode(), correct = none(),
    condition = guide(weight = 0.1, updates = 2)
)
"""
LAYOUT = """
input layout : Layout
input depth : Depth
x : Image[3, {height}, {width}]
x ~ flux("a room", model = "{flux}")
for part in layout:
    x[part.box] ~ flux_depth(crop(depth, part.box), prompt = part.text, model = "{flux_depth}")
sample x by anneal(
    particles = {particles}, steps = {steps}, kernel = langevin(steps = 1), move = ode(),
    correct = none(), normalize_exponents = true
)
"""
BOXES = [
    (0.0, 0.0, 0.5, 0.5),
    (0.5, 0.0, 1.0, 0.5),
    (0.0, 0.5, 0.5, 1.0),
    (0.5, 0.5, 1.0, 1.0),
    (0.25, 0.25, 0.75, 0.75),
]


@dataclass
class Recorded:
    """An expert that keeps the calls made to it, and whether they took gradients."""

    expert: Generative
    calls: list[tuple[Tensor, float, float, bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for name in ("has_density", "terminal", "calls_per_evaluation", "inference_mode"):
            setattr(self, name, getattr(self.expert, name))
        self.endpoint_precision = self.expert.endpoint_precision

    def __getattr__(self, name: str) -> Any:
        return getattr(self.expert, name)

    def noised(self, x: Tensor, alpha: float, sigma: float) -> Noised:
        self.calls.append((x.detach().clone(), alpha, sigma, x.requires_grad))
        return self.expert.noised(x, alpha, sigma)

    def again(self) -> None:
        """The same calls, with nothing around them."""
        for x, alpha, sigma, followed in self.calls:
            with torch.enable_grad() if followed else torch.no_grad():
                point = x.requires_grad_(followed)
                score = self.expert.noised(point, alpha, sigma).score
                if followed:
                    torch.autograd.grad(score.square().sum(), point)


def folders(place: Path, size: dict[str, Any]) -> dict[str, str]:
    """Configurations of the three models, and one autoencoder with random weights."""
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler

    v = size["vae"]
    depth = len(v["block_out_channels"])
    vae = AutoencoderKL(
        sample_size=1024,
        block_out_channels=v["block_out_channels"],
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        layers_per_block=v["layers_per_block"],
        latent_channels=LATENTS,
        norm_num_groups=v["groups"],
        use_quant_conv=False,
        use_post_quant_conv=False,
        shift_factor=0.1159,
        scaling_factor=0.3611,
    )
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True)
    for name, channels in CHANNELS.items():
        folder = place / name
        vae.save_pretrained(folder / "vae")
        scheduler.save_pretrained(folder / "scheduler")
        (folder / "transformer").mkdir()
        config = json.dumps({"in_channels": channels})
        (folder / "transformer" / "config.json").write_text(config)
    return {name: str(place / name) for name in CHANNELS}


def random_transformer(size: dict[str, Any]) -> Callable[..., Any]:
    """What stands in for loading: the weights of a transformer, made on the device itself."""
    from diffusers import FluxTransformer2DModel

    made: dict[str, Any] = {}

    def weights(kind: str, folder: str, part: str, device: torch.device, profile: Profile) -> Any:
        if folder not in made:
            channels = read_config(folder, part)["in_channels"]
            with torch.device("meta"), default_dtype(network_dtype(profile, device)):
                model = FluxTransformer2DModel(
                    in_channels=channels,
                    out_channels=4 * LATENTS,
                    guidance_embeds=True,
                    **size["transformer"],
                )
            model = model.to_empty(device=device)
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter.normal_(0, 0.02)
            made[folder] = model.eval().requires_grad_(False)
        return made[folder]

    return weights


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def stand_ins(size: dict[str, Any]) -> Iterator[None]:
    def prompt(folder: str, text: str, device: torch.device, dtype: torch.dtype, _: Any) -> Any:
        g = torch.Generator().manual_seed(len(text))
        t = size["transformer"]
        tokens = torch.randn(1, size["tokens"], t["joint_attention_dim"], generator=g)
        pooled = torch.randn(1, t["pooled_projection_dim"], generator=g)
        return tokens.to(device, dtype), pooled.to(device, dtype)

    with (
        patch.object(shared_networks, "_weights", random_transformer(size)),
        patch.object(shared_networks, "prompt", prompt),
    ):
        yield


def measured(plan: poedsl.Plan, device: str) -> dict[str, Any]:
    """Seconds of a run, and of its calls alone, after one that warms up."""
    wait = torch.cuda.synchronize if device.startswith("cuda") else nullcontext
    profile = Profile(dtype="auto")

    def job(**options: Any) -> Run:
        chosen = plan.with_options(**options) if options else plan
        return Run(chosen.bound().spec, RunSettings(device=device, profile=profile))

    list(job(steps=2).stages())
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    made = job()
    recorded = [Recorded(a.expert) for a in made.target.experts]
    # Targets are frozen; the run holds this one in several places.
    experts = zip(made.target.experts, recorded, strict=True)
    object.__setattr__(made.target, "experts", tuple(replace(a, expert=r) for a, r in experts))
    wait()
    clock = time.perf_counter()
    list(made.stages())
    wait()
    seconds = time.perf_counter() - clock
    clock = time.perf_counter()
    for expert in recorded:
        expert.again()
    wait()
    bare = time.perf_counter() - clock
    result = made.result()
    return {
        "seconds": seconds,
        "bare": bare,
        "outside": 1 - bare / seconds,
        "calls": sum(len(r.calls) for r in recorded),
        "peak_memory": result.peak_memory,
    }


def measure(size: dict[str, Any], device: str) -> dict[str, dict[str, Any]]:
    g = torch.Generator().manual_seed(0)
    with TemporaryDirectory() as place, stand_ins(size):
        names = folders(Path(place), size)
        height, width = size["insert"]
        mask = torch.zeros(height, width)
        mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 1
        insert = poedsl.compile(INSERT.format(**names, steps=size["steps"])).bind(
            mask=mask,
            image=torch.rand(3, height, width, generator=g),
            depth=torch.rand(height, width, generator=g),
        )
        tall, wide = size["layout"]
        program = LAYOUT.format(
            **names, steps=size["steps"], particles=size["particles"], height=tall, width=wide
        )
        layout = poedsl.compile(program).bind(
            depth=torch.rand(tall, wide, generator=g),
            layout=[{"box": list(b), "text": f"thing {k}"} for k, b in enumerate(BOXES)],
        )
        return {name: measured(p, device) for name, p in (("insert", insert), ("layout", layout))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="flux")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="a file for the numbers as JSON")
    args = parser.parse_args()
    rows = measure(SIZES[args.size], args.device)
    print(f"{'':<10}{'seconds':>10}{'bare':>10}{'outside':>10}{'calls':>8}{'memory':>10}")
    for name, r in rows.items():
        memory = "" if r["peak_memory"] is None else in_words(r["peak_memory"])
        print(
            f"{name:<10}{r['seconds']:>10.2f}{r['bare']:>10.2f}{r['outside']:>10.1%}"
            f"{r['calls']:>8}{memory:>10}"
        )
    if args.out is not None:
        device = torch.cuda.get_device_name() if args.device.startswith("cuda") else "cpu"
        figures = {
            "size": args.size,
            "device": device,
            "torch": torch.__version__,
            "settings": rows,
        }
        args.out.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
