"""Train the models of the playroom in motion; each can be stopped, and goes on where it was.

    python -m playroom_motion.train WORK NAME [--minutes M] [--quick]     # from models/recipes

NAME is vae, latents, wan-i2v or wan-depth, in this order. Losses go to ``WORK/NAME.log``, weights
and the state of the optimiser to ``WORK/NAME.pt``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from playroom.train import Training, averaged, numbers, unit
from torch import Tensor, nn

from playroom_motion import data, networks
from playroom_motion.muon import Both
from playroom_motion.scenes import SIZE

#: Minutes of one core's time, by which the models that come with the package were trained.
MINUTES = {"vae": 20, "wan-i2v": 21, "wan-depth": 12}
#: Pixels of the clips that the autoencoder sees, the share of whole films and of depths among them,
#: and the deviation of the noise that is added to latents.
CROP, WHOLE, DEPTHS, NOISE = 32, 0.25, 0.2, 0.02
#: By how much more errors count at what moves, and in colour than in brightness.
MOVING, COLOUR = 4.0, 2.0
#: Of the flows: films at once, learning rate, the share of captions that are left out, and by how
#: much more errors count at what moves and is known: the ball by its depth, the scenery by the
#: first frame.
BATCH, RATE, DROPPED, KNOWN = 12, 2e-3, 0.1, 3.0


# The autoencoder.


def vae(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    """Films and their depths, most of them cut out about what moves."""
    arrays, _ = data.load(work, "train")
    model = networks.build_vae()

    def loss(g: torch.Generator) -> Tensor:
        rng = numbers(g)
        whole = rng.random() < WHOLE
        clips = [
            _clip(arrays, rng, whole=whole) for _ in range(max(1, batch // 4 if whole else batch))
        ]
        shown, moving = (torch.from_numpy(np.stack(part)) for part in zip(*clips, strict=True))
        x = unit(shown).movedim(-1, 1)
        z = model.encode(x).latent_dist.mode()
        y = model.decode(z + NOISE * torch.randn(z.shape, generator=g)).sample
        return unlike(y, x, 1 + MOVING * moving[:, None]) + 1e-4 * z.square().mean()

    Training(work, "vae", model, loss, 3e-3, half=False, optimiser=Both).run(minutes, steps)


def _clip(
    arrays: dict[str, np.ndarray], rng: np.random.Generator, *, whole: bool
) -> tuple[np.ndarray, np.ndarray]:
    """(17, h, w, 3) bytes, mirrored by chance, and (17, h, w) where something moves."""
    film = int(rng.integers(len(arrays["image"])))
    ball, moving = (arrays[name][film] for name in ("ball", "scenery"))
    moving = ball | moving
    if rng.random() < DEPTHS:
        shown, moving = np.repeat(arrays["depth"][film, ..., None], 3, -1), ball
    else:
        shown = arrays["image"][film]
    if not whole:
        at = rng.integers(0, SIZE - CROP + 1, 2)
        places = np.argwhere(ball if rng.random() < 0.6 else moving)
        if rng.random() < 0.85 and len(places):
            y, x = places[rng.integers(len(places))][1:] + rng.integers(-8, 9, 2) - CROP // 2
            at = np.clip((y, x), 0, SIZE - CROP)
        cut = (slice(None), *(slice(k, k + CROP) for k in at))
        shown, moving = shown[cut], moving[cut]
    return (shown[:, :, ::-1], moving[:, :, ::-1]) if rng.random() < 0.5 else (shown, moving)


def unlike(y: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """How far films (N, 3, F, h, w) are apart, and their edges in space and time."""
    grey = (y - x).mean(1, keepdim=True)
    miss = torch.cat([grey, COLOUR * (y - x - grey)], 1)
    edges = sum(miss.diff(dim=d).abs().mean() for d in (2, 3, 4))
    return (weight * (miss.abs() + miss.square())).mean() + 0.5 * edges


def trained_vae(work: Path) -> Any:
    """The autoencoder, which knows the mean and the deviation of each channel of its latents."""
    moments = json.loads((work / "latents.json").read_text())
    model: Any = averaged(work, "vae", networks.build_vae(**moments))
    return model


def latents(work: Path) -> None:
    """Latents of all films and depths and of their mirror images, of grey, and of grey that
    follows a first frame; once.
    """
    arrays, records = data.load(work, "train")
    model: Any = averaged(work, "vae", networks.build_vae())

    def encoded(films: np.ndarray) -> Tensor:
        """Of (N, 17, 64, 64, 3) bytes."""
        parts = torch.from_numpy(np.ascontiguousarray(films)).split(8)
        with torch.no_grad():
            modes = [model.encode(unit(p).movedim(-1, 1)).latent_dist.mode() for p in parts]
        return torch.cat(modes)

    grey = np.full((1, *arrays["image"].shape[1:]), 127.5, np.float32)
    led = np.repeat(grey, min(32, len(records)), 0)
    led[:, 0] = arrays["image"][: len(led), 0]
    depths = np.repeat(arrays["depth"][..., None], 3, -1)
    held = {}
    for name, films in (("film", arrays["image"]), ("depth", depths)):
        held[name] = torch.cat([encoded(films), encoded(films[:, :, :, ::-1])])
    mean, spread = (getattr(held["film"], of)((0, 2, 3, 4)) for of in ("mean", "std"))
    moments = {"latents_mean": mean.tolist(), "latents_std": spread.tolist()}
    held |= {"grey": encoded(grey), "led": encoded(led)[:, :, 1:]}
    held = {k: networks.normalised(v, moments).half() for k, v in held.items()}
    for name in ("ball", "scenery"):
        mask = torch.from_numpy(np.concatenate([arrays[name], arrays[name][..., ::-1]]))
        held[name] = (_of_latents(mask.float()) > 0).half()
    torch.save(held, work / "latents.pt")
    (work / "latents.json").write_text(json.dumps(moments))


def _of_latents(mask: Tensor) -> Tensor:
    """The largest value in what each latent stands for: (N, T, h, w) of (N, 17, 64, 64)."""
    first, rest = mask[:, :1], mask[:, 1:]
    size = (networks.FACTOR, networks.FACTOR)
    return torch.cat(
        [F.max_pool3d(first, (1, *size)), F.max_pool3d(rest, (networks.SPAN, *size))], 1
    )


# The flows.


class Flow(nn.Module):
    """A transformer and the encoder of captions."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.transformer = networks.build_transformer(kind)
        self.text, self.tokenizer = networks.build_texts()

    def forward(self, z: Tensor, s: Tensor, captions: list[str], **given: Any) -> Tensor:
        out: Tensor = self.transformer(
            hidden_states=z,
            timestep=1000 * s,
            encoder_hidden_states=self.embedded(captions),
            return_dict=False,
            **given,
        )[0]
        return out

    def embedded(self, captions: list[str]) -> Tensor:
        """The tokens of captions, and one that stands for all the padding after them."""
        tokens = self.tokenizer(
            captions, padding="max_length", max_length=networks.TOKENS, return_tensors="pt"
        )
        known = tokens["attention_mask"]
        out: Tensor = self.text(tokens["input_ids"], known).last_hidden_state
        return F.pad(out * known[..., None], (0, 0, 0, 1))


def flow(work: Path, kind: str, minutes: float, steps: int | None, batch: int) -> None:
    """Velocities eps - x at times that are shifted as those of the scheduler."""
    held = torch.load(work / "latents.pt", weights_only=True)
    _, records = data.load(work, "train")
    captions = 2 * [record["caption"] for record in records]
    module = Flow(kind)
    if kind == "wan-depth":
        start(module, averaged(work, "wan-i2v", Flow("wan-i2v")))
    networks.pad_cheaply(module.transformer)

    def loss(g: torch.Generator) -> Tensor:
        index = torch.randint(len(captions), (batch,), generator=g)
        left_out = torch.rand(batch, generator=g) < DROPPED
        said = ["" if out else captions[i] for i, out in zip(index, left_out, strict=True)]
        x = held["film"][index].float()
        noise = torch.randn(x.shape, generator=g)
        u = torch.rand(batch, generator=g)
        s = networks.SHIFT * u / (1 + (networks.SHIFT - 1) * u)
        at = s[:, None, None, None, None]
        z = at * noise + (1 - at) * x
        if kind == "wan-depth":
            guides = held["depth"][index].float()
            v = module(z, s, said, control_hidden_states=networks.control(guides, held["grey"]))
        else:
            after = held["led"][torch.randint(len(held["led"]), (batch,), generator=g)].float()
            v = module(torch.cat([z, networks.led(x[:, :, :1], after)], 1), s, said)
        known = held["ball" if kind == "wan-depth" else "scenery"][index].float()[:, None]
        weight = 1 + KNOWN * known
        return (weight * (v - (noise - x)).square()).mean()

    training = Training(work, kind, module, loss, RATE, 0.995, 50, half=False, optimiser=Both)
    training.run(minutes, steps)


def start(depth: Any, i2v: Any) -> None:
    """Begin the model of depths with the weights of the other one, as VACE does."""
    depth.text.load_state_dict(i2v.text.state_dict())
    weights = i2v.transformer.state_dict()
    own = depth.transformer.state_dict()
    key = "patch_embedding.weight"
    weights[key] = weights[key][:, : networks.LATENTS]
    for number, layer in enumerate(networks.VACE_LAYERS):
        for name in [n for n in weights if n.startswith(f"blocks.{layer}.")]:
            copied = name.replace(f"blocks.{layer}.", f"vace_blocks.{number}.")
            if copied in own:
                weights[copied] = weights[name]
    depth.transformer.load_state_dict(weights, strict=False)
    for block in depth.transformer.vace_blocks:
        nn.init.zeros_(block.proj_out.weight)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a model, or go on with its training.")
    parser.add_argument("work", type=Path)
    parser.add_argument("name", choices=["latents", *MINUTES])
    parser.add_argument("--minutes", type=float, help="more of them go on with what is there")
    parser.add_argument("--quick", action="store_true", help="two steps, to try the whole way")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if args.name == "latents":
        latents(args.work)
        return
    minutes = args.minutes or MINUTES[args.name]
    steps = 2 if args.quick else None
    if args.name == "vae":
        vae(args.work, minutes, steps, 4)
    else:
        flow(args.work, args.name, minutes, steps, 2 if args.quick else BATCH)


if __name__ == "__main__":
    main()
