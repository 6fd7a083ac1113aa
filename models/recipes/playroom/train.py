"""Train the playroom's models; each can be stopped at any time, and goes on where it was.

    python -m playroom.train WORK NAME [--minutes M] [--quick]      # from models/recipes

NAME is vae, latents, flux, flux-depth, flux-fill, decoder, rooms, segmenter, depth, sight or judge,
in this order (the last six need no flux). Losses go to ``WORK/NAME.log``, weights and the state of
the optimiser to ``WORK/NAME.pt``. The first three quarters of the time are at the full rate, which
then falls to zero. On a CPU that has them, products are taken in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from playroom import data, networks
from playroom.judge import Judging
from playroom.scenes import CONTENTS, SIZE

#: Minutes of one core's time, by which the models that come with the package were trained.
MINUTES = {
    "vae": 12,
    "decoder": 10,
    "flux": 66,
    "flux-depth": 42,
    "flux-fill": 24,
    "rooms": 10,
    "segmenter": 34,
    "depth": 8,
    "sight": 6,
    "judge": 57,
}
#: Networks that look at pictures as they are take fewer at a time.
SMALL = ("vae", "decoder", "segmenter", "depth")
#: Share of captions and conditions that are left out in training.
DROPPED = 0.1
#: Share of the judge's pictures that are cut out of larger ones.
CUT = 0.4
#: A caption takes no more of CLIP's tokens.
CLIP_TOKENS = 40


def adam(module: nn.Module, rate: float) -> Any:
    return torch.optim.AdamW(module.parameters(), rate, weight_decay=1e-4)


@dataclass
class Training:
    """A loss of a batch, to be made small; the average of the weights on the way is kept."""

    work: Path
    name: str
    module: nn.Module
    loss: Callable[[torch.Generator], Tensor]
    rate: float = 1e-3
    decay: float = 0.999
    #: Steps in which the rate rises.
    warm: int = 200
    #: Whether products are taken in bfloat16.
    half: bool = True
    optimiser: Callable[[nn.Module, float], Any] = adam

    def run(self, minutes: float, steps: int | None) -> None:
        device = next(self.module.parameters()).device
        optimiser = self.optimiser(self.module, self.rate)
        average = {k: v.detach().clone() for k, v in self.module.state_dict().items()}
        step, spent = 0, 0.0
        path = self.work / f"{self.name}.pt"
        if path.exists():
            kept = torch.load(path, map_location=device, weights_only=True)
            self.module.load_state_dict(kept["module"])
            optimiser.load_state_dict(kept["optimiser"])
            average, step, spent = kept["average"], kept["step"], kept["spent"]
        log = (self.work / f"{self.name}.log").open("a")
        total, seen, clock, saved = 0.0, 0, time.process_time(), time.monotonic()
        generator = torch.Generator(device).manual_seed(1000 + step)
        while (spent < 60 * minutes) if steps is None else (step < steps):
            done = spent / (60 * minutes) if steps is None else step / steps
            falling = min(1.0, 4 * (1 - done))
            for group in optimiser.param_groups:
                group["lr"] = self.rate * min(1.0, (step + 1) / self.warm) * max(falling, 0.02)
            with torch.autocast(device.type, torch.bfloat16, enabled=self.half):
                loss = self.loss(generator)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
            optimiser.step()
            step += 1
            weight = min(self.decay, (1 + step) / (10 + step))
            for key, value in self.module.state_dict().items():
                if value.is_floating_point():
                    average[key].lerp_(value, 1 - weight)
                else:
                    average[key].copy_(value)
            total, seen = total + float(loss.detach()), seen + 1
            now = time.process_time()
            spent, clock = spent + now - clock, now
            if step % 100 == 0:
                log.write(json.dumps({"step": step, "loss": total / seen, "spent": spent}) + "\n")
                log.flush()
                total, seen = 0.0, 0
            if time.monotonic() - saved > 60:
                self.save(path, optimiser, average, step, spent)
                saved = time.monotonic()
        self.save(path, optimiser, average, step, spent)
        self.module.load_state_dict(average)

    def save(self, path: Path, optimiser: Any, average: Any, step: int, spent: float) -> None:
        fresh = path.with_suffix(".tmp")
        state = {"module": self.module.state_dict(), "optimiser": optimiser.state_dict()}
        torch.save({**state, "average": average, "step": step, "spent": spent}, fresh)
        fresh.replace(path)


def averaged(work: Path, name: str, module: nn.Module) -> nn.Module:
    """A module with the averaged weights of its training."""
    kept = torch.load(work / f"{name}.pt", map_location="cpu", weights_only=True)
    module.load_state_dict(kept["average"])
    return module.eval().requires_grad_(False)


def pictures(arrays: dict[str, np.ndarray]) -> Tensor:
    """(N, 3, 64, 64) bytes."""
    return torch.from_numpy(arrays["image"]).permute(0, 3, 1, 2).contiguous()


def unit(pixels: Tensor) -> Tensor:
    """Bytes to [-1, 1]."""
    return pixels.float() / 127.5 - 1


def numbers(g: torch.Generator) -> np.random.Generator:
    """Numpy's random numbers, led by torch's."""
    return np.random.default_rng(int(torch.randint(2**31, (1,), generator=g)))


def attention(query: Tensor, key: Tensor, value: Tensor, **over: Any) -> Tensor:
    """Scaled dot products in 32 bits, which are faster than bfloat16 on CPUs for so few tokens."""
    with torch.autocast(query.device.type, enabled=False):
        out: Tensor = ATTENTION(query.float(), key.float(), value.float(), **over)
    return out.to(value.dtype)


ATTENTION = F.scaled_dot_product_attention


# The autoencoder.


def vae(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    """Pictures, rooms, depths as greys, and pictures with a grey hole."""
    arrays, _ = data.load(work, "scenes")
    scenes, depths = pictures(arrays), torch.from_numpy(arrays["depth"])
    rooms = pictures(data.load(work, "rooms")[0])
    model = networks.build_vae()

    def loss(g: torch.Generator) -> Tensor:
        def some(count: int, of: int) -> Tensor:
            return torch.randint(of, (count,), generator=g)

        few = batch // 4
        holed = unit(scenes[some(few, len(scenes))])
        holed = torch.where(holes(g, few, SIZE) > 0, 0.0, holed)
        grey = unit(depths[some(few, len(depths))])[:, None].expand(-1, 3, -1, -1)
        parts = [scenes[some(batch - 3 * few, len(scenes))], rooms[some(few, len(rooms))]]
        x = torch.cat([*map(unit, parts), holed, grey])
        encoded = model.encode(x).latent_dist
        noise = torch.randn(encoded.mean.shape, generator=g)
        y = model.decode(encoded.mean + encoded.std * noise).sample
        spread = 0.5 * (encoded.mean.square() + encoded.var - 1 - encoded.logvar)
        return unlike(y, x) + 1e-3 * spread.mean()

    Training(work, "vae", model, loss, rate=2e-3).run(minutes, steps)


def unlike(y: Tensor, x: Tensor) -> Tensor:
    """How far pictures are apart, and their edges."""
    miss = y - x
    edges = sum((miss.diff(dim=d)).abs().mean() for d in (2, 3))
    return miss.abs().mean() + 0.5 * edges + miss.square().mean()


def decoder(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    """The decoder alone, sharper, while the latents stay as they are."""
    sets = {name: pictures(data.load(work, name)[0]) for name in ("scenes", "rooms")}
    held = torch.load(work / "latents.pt", weights_only=True)
    model = trained_vae(work).requires_grad_(True)
    model.encoder.requires_grad_(False)
    shift, scale = model.config.shift_factor, model.config.scaling_factor

    def loss(g: torch.Generator) -> Tensor:
        kept, shown = [], []
        for name, count in (("scenes", batch - batch // 4), ("rooms", batch // 4)):
            index = torch.randint(len(sets[name]), (count,), generator=g)
            kept.append(held[f"{name}.image"][index].float())
            shown.append(unit(sets[name][index]))
        latents = torch.cat(kept)
        latents = latents + 0.03 * torch.randn(latents.shape, generator=g)
        return unlike(model.decode(latents / scale + shift).sample, torch.cat(shown))

    Training(work, "decoder", model, loss, rate=1e-3).run(minutes, steps)


def holes(g: torch.Generator, count: int, size: int) -> Tensor:
    """Masks (N, 1, size, size): boxes and ellipses anywhere, 1 inside."""
    rows = torch.arange(size)[None, :, None]
    columns = torch.arange(size)[None, None, :]
    u = torch.rand(count, 5, generator=g)
    half = size * (0.08 + 0.27 * u[:, :2, None])
    y, x = (rows - size * u[:, 2, None, None]) / half[:, :1], (columns - size * u[:, 3, None, None])
    x = x / half[:, 1:2]
    box = (y.abs() < 1) & (x.abs() < 1)
    ellipse = y.square() + x.square() < 1
    return torch.where(u[:, 4, None, None] < 0.5, box, ellipse)[:, None].float()


def trained_vae(work: Path) -> Any:
    """The autoencoder, its latents shifted and scaled to mean 0 and variance 1."""
    last = "decoder" if (work / "decoder.pt").exists() else "vae"
    model = averaged(work, last, networks.build_vae())
    factors = json.loads((work / "latents.json").read_text())
    model.register_to_config(**factors)
    return model


def latents(work: Path) -> None:
    """Latents of all pictures and depths, once."""
    model = averaged(work, "vae", networks.build_vae())
    held: dict[str, Tensor] = {}
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for name in data.COUNTS:
            arrays, _ = data.load(work, name)
            grey = torch.from_numpy(arrays["depth"])[:, None].expand(-1, 3, -1, -1)
            for kind, pixels in (("image", pictures(arrays)), ("depth", grey)):
                parts = [model.encode(unit(p)).latent_dist.mode() for p in pixels.split(250)]
                held[f"{name}.{kind}"] = torch.cat(parts).float()
    shift = float(held["scenes.image"].mean())
    scale = 1 / float(held["scenes.image"].std())
    factors = {"shift_factor": shift, "scaling_factor": scale}
    (work / "latents.json").write_text(json.dumps(factors))
    torch.save({k: ((v - shift) * scale).half() for k, v in held.items()}, work / "latents.pt")


# The flows.


class Flow(nn.Module):
    """A transformer and the encoders of its conditions."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        texts = networks.build_texts()
        self.transformer = networks.build_transformer(networks.CHANNELS[kind])
        self.clip, self.t5 = texts["text_encoder"], texts["text_encoder_2"]
        self.tokenizers = (texts["tokenizer"], texts["tokenizer_2"])
        self.known: dict[str, tuple[Tensor, Tensor]] = {}
        self.frozen = False
        self.read: dict[str, tuple[Tensor, Tensor]] = {}

    def freeze(self) -> None:
        """Train the transformer alone; what the encoders say of a prompt is kept."""
        self.clip.requires_grad_(False)
        self.t5.requires_grad_(False)
        self.frozen = True

    def embedded(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """What T5 says of each token, and CLIP of the whole."""
        if not self.frozen:
            first, second = self.tokens(prompts)
            return self.t5(second).last_hidden_state, self.clip(first).pooler_output
        new = sorted(set(prompts) - self.read.keys())
        if new:
            first, second = self.tokens(new)
            with torch.no_grad():
                found = self.t5(second).last_hidden_state, self.clip(first).pooler_output
            self.read |= {p: (found[0][k], found[1][k]) for k, p in enumerate(new)}
        rows = [self.read[p] for p in prompts]
        return torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])

    def tokens(self, prompts: list[str]) -> tuple[Tensor, Tensor]:
        """Padded, CLIP's by less than FluxPipeline, of which it sees nothing; each read once."""
        for text in set(prompts) - self.known.keys():
            clip, t5 = self.tokenizers
            self.known[text] = tuple(  # type: ignore[assignment]
                torch.tensor(
                    tokenizer(text, padding="max_length", max_length=length, truncation=True)[
                        "input_ids"
                    ]
                )
                for tokenizer, length in ((clip, CLIP_TOKENS), (t5, networks.TOKENS))
            )
        rows = [self.known[p] for p in prompts]
        return torch.stack([r[0] for r in rows]), torch.stack([r[1] for r in rows])

    def forward(self, x: Tensor, s: Tensor, prompts: list[str], extra: Tensor | None) -> Tensor:
        n, _, h, w = x.shape
        tokens, pooled = self.embedded(prompts)
        packed = pack(x)
        out = self.transformer(
            hidden_states=packed if extra is None else torch.cat([packed, extra], 2),
            timestep=s,
            guidance=None,
            pooled_projections=pooled,
            encoder_hidden_states=tokens,
            txt_ids=torch.zeros(tokens.shape[1], 3),
            img_ids=places(h, w),
            return_dict=False,
        )[0]
        return F.pixel_shuffle(out.transpose(1, 2).reshape(n, -1, h // 2, w // 2), 2)


def pack(x: Tensor) -> Tensor:
    return F.pixel_unshuffle(x, 2).flatten(2).transpose(1, 2)


def places(h: int, w: int) -> Tensor:
    rows, columns = torch.meshgrid(torch.arange(h // 2), torch.arange(w // 2), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], -1).reshape(-1, 3).float()


@dataclass
class Views:
    """Whole scenes, and crops about one of their solids, with what is to be said of each."""

    boxes: list[list[tuple[float, ...]]]
    names: list[list[str]]

    @classmethod
    def of(cls, records: list[dict[str, Any]]) -> Views:
        return cls([t["boxes"] for t in records], [data.texts(t) for t in records])

    def crop(
        self, rng: np.random.Generator, index: list[int], share: float
    ) -> tuple[int, int, list[tuple[int, int]], list[str]]:
        """Height, width and corners in patches, and captions; a share of batches are crops."""
        whole = SIZE // networks.FACTOR // 2
        if rng.random() > share:
            said = [caption(self.names[i]) for i in index]
            return whole, whole, [(0, 0)] * len(index), said
        h, w = (int(v) for v in rng.integers(2, whole, 2))
        corners, said = [], []
        for i in index:
            centre = rng.uniform(0, whole, 2)
            if self.boxes[i]:
                left, top, right, bottom = self.boxes[i][rng.integers(len(self.boxes[i]))]
                centre = whole * np.array([top + bottom, left + right]) / 2 + rng.normal(0, 0.6, 2)
            low = np.round(centre - np.array([h, w]) / 2).clip(0, (whole - h, whole - w))
            y, x = int(low[0]), int(low[1])
            corners.append((y, x))
            frame = (x / whole, y / whole, (x + w) / whole, (y + h) / whole)
            pairs = zip(self.names[i], self.boxes[i], strict=True)
            said.append(caption([n for n, b in pairs if inside(b, frame) > 0.5]))
        return h, w, corners, said


def caption(names: list[str]) -> str:
    from playroom.scenes import caption

    return caption(names)


def inside(box: tuple[float, ...], frame: tuple[float, ...]) -> float:
    """The share of a box that a frame holds."""
    wide = max(0.0, min(box[2], frame[2]) - max(box[0], frame[0]))
    tall = max(0.0, min(box[3], frame[3]) - max(box[1], frame[1]))
    return wide * tall / max((box[2] - box[0]) * (box[3] - box[1]), 1e-9)


def cut(x: Tensor, h: int, w: int, corners: list[tuple[int, int]], patch: int) -> Tensor:
    """Of each picture the part of h x w patches at its corner."""
    rows = [
        one[:, patch * a : patch * (a + h), patch * b : patch * (b + w)]
        for one, (a, b) in zip(x, corners, strict=True)
    ]
    return torch.stack(rows)


def flow(work: Path, kind: str, minutes: float, steps: int | None, batch: int) -> None:
    """Flow matching (Lipman et al. 2023): v = eps - x_1 at z = (1 - s) x_1 + s eps."""
    arrays, records = data.load(work, "scenes")
    held = torch.load(work / "latents.pt", weights_only=True)
    images, depths = held["scenes.image"], held["scenes.depth"]
    pixels, views = pictures(arrays), Views.of(records)
    encoder = trained_vae(work)
    model = Flow(kind)
    if kind != "flux" and not (work / f"{kind}.pt").exists():
        widened(model, averaged(work, "flux", Flow("flux")))
    if kind != "flux":
        model.freeze()

    def loss(g: torch.Generator) -> Tensor:
        rng = numbers(g)
        index = torch.randint(len(images), (batch,), generator=g)
        h, w, corners, prompts = views.crop(rng, index.tolist(), 0.35)
        prompts = [p if rng.random() > DROPPED else "" for p in prompts]
        x1 = cut(images[index].float(), h, w, corners, 2)
        extra = None
        if kind == "flux-depth":
            shown = cut(depths[index].float(), h, w, corners, 2)
            extra = pack(shown)
        if kind == "flux-fill":
            mask = holes(g, batch, SIZE)
            mask = torch.where(torch.rand(batch, 1, 1, 1, generator=g) < 0.08, 1.0, mask)
            seen = unit(pixels[index])
            with torch.no_grad():
                kept = encoder.encode(torch.where(mask > 0, 0.0, seen)).latent_dist.mode().float()
            kept = (kept - encoder.config.shift_factor) * encoder.config.scaling_factor
            kept = cut(kept, h, w, corners, 2)
            hole = cut(mask, h, w, corners, 2 * networks.FACTOR)
            extra = torch.cat([pack(kept), pack(F.pixel_unshuffle(hole, networks.FACTOR))], 2)
        s = torch.randn(batch, generator=g).mul(1.2).sigmoid()
        noise = torch.randn(x1.shape, generator=g)
        at = s[:, None, None, None]
        v = model((1 - at) * x1 + at * noise, s, prompts, extra)
        return (v - (noise - x1)).square().mean()

    Training(work, kind, model, loss, rate=1.2e-3 if kind == "flux" else 8e-4).run(minutes, steps)


def widened(model: Flow, start: Any) -> None:
    """Begin with the weights of the flow without conditions, which are not looked at yet."""
    state = dict(start.state_dict())
    key = "transformer.x_embedder.weight"
    own = torch.zeros_like(model.state_dict()[key])
    own[:, : state[key].shape[1]] = state[key]
    model.load_state_dict({**state, key: own})


# Rooms, and who judges.


def rooms(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    """v = alpha eps - sigma x_1 at the noise levels of the scheduler (Salimans and Ho 2022)."""
    records = data.load(work, "rooms")[1]
    images = torch.load(work / "latents.pt", weights_only=True)["rooms.image"]
    labels = torch.tensor([CONTENTS.index(t["contents"]) for t in records])
    kept = networks.noise_scheduler().alphas_cumprod
    model = networks.build_rooms()

    def loss(g: torch.Generator) -> Tensor:
        index = torch.randint(len(images), (batch,), generator=g)
        time_ = torch.randint(len(kept), (batch,), generator=g)
        alpha, sigma = (k.sqrt()[:, None, None, None] for k in (kept[time_], 1 - kept[time_]))
        x1 = images[index].float()
        noise = torch.randn(x1.shape, generator=g)
        none = torch.rand(batch, generator=g) < DROPPED
        said = labels[index].masked_fill(none, len(CONTENTS))
        v = model(alpha * x1 + sigma * noise, time_, class_labels=said, return_dict=False)[0]
        return (v - (alpha * noise - sigma * x1)).square().mean()

    Training(work, "rooms", model, loss, rate=1.5e-3).run(minutes, steps)


def segmenter(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    model, drawn = networks.build_segmenter(), shown(work, batch)

    def loss(g: torch.Generator) -> Tensor:
        x, _, classes = drawn(g)
        logits = model(x).logits
        logits = F.interpolate(logits.float(), size=(SIZE, SIZE), mode="bilinear")
        return F.cross_entropy(logits, classes.long())

    Training(work, "segmenter", model, loss, rate=2e-3).run(minutes, steps)


def depth(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    """Relative inverse depth of pictures, of those that models make too."""
    arrays, _ = data.load(work, "scenes")
    images, depths = pictures(arrays), torch.from_numpy(arrays["depth"])
    encoder, model = trained_vae(work), networks.build_depth()

    def loss(g: torch.Generator) -> Tensor:
        index = torch.randint(len(images), (batch,), generator=g)
        found = model(degraded(unit(images[index]), encoder, g)).predicted_depth
        return (found.float() - depths[index].float() / 255).abs().mean()

    Training(work, "depth", model, loss, rate=2e-3).run(minutes, steps)


def degraded(x: Tensor, encoder: Any, g: torch.Generator) -> Tensor:
    """Half of the pictures as the autoencoder gives them back, some of them from noisy latents:
    what judges are shown along a run.
    """
    half = len(x) // 2
    with torch.no_grad():
        kept = encoder.encode(x[:half]).latent_dist.mode().float()
        amount = torch.rand(half, 1, 1, 1, generator=g).square() * 0.6
        scale = 1 / encoder.config.scaling_factor
        noisy = kept + amount * scale * torch.randn(kept.shape, generator=g)
        decoded = encoder.decode(noisy).sample.float().clamp(-1, 1)
    return torch.cat([decoded, x[half:]])


def sight(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    """What a judge sees of pictures, before it is asked about them."""
    judging, drawn = Judging(), shown(work, batch)

    def loss(g: torch.Generator) -> Tensor:
        x, _, classes = drawn(g)
        return judging.sight(x, classes)

    Training(work, "sight", judging.module, loss, rate=2e-3).run(minutes, steps)


def judge(work: Path, minutes: float, steps: int | None, batch: int) -> None:
    judging, drawn = Judging(), shown(work, batch, CUT)
    if not (work / "judge.pt").exists():
        averaged(work, "sight", judging.module).train().requires_grad_(True)

    def loss(g: torch.Generator) -> Tensor:
        x, scenes, classes = drawn(g)
        return judging.loss(x, scenes, classes, numbers(g))

    Training(work, "judge", judging.module, loss, rate=1e-3).run(minutes, steps)


def shown(
    work: Path, batch: int, cut: float = 0.0
) -> Callable[[torch.Generator], tuple[Tensor, list[list[str]], Tensor]]:
    """Draws pictures, the things on them, and the class of each pixel.

    Args:
        cut: the share that is cut out about a solid, as regions are.
    """
    arrays, records = data.load(work, "scenes")
    images, encoder = pictures(arrays), trained_vae(work)
    names, boxes = [data.texts(t) for t in records], [t["boxes"] for t in records]
    classes = torch.from_numpy(data.classes(records, arrays["segments"]))

    def drawn(g: torch.Generator) -> tuple[Tensor, list[list[str]], Tensor]:
        rng = numbers(g)
        index = torch.randint(len(images), (batch,), generator=g)
        x = degraded(unit(images[index]), encoder, g)
        things, marked = [names[i] for i in index.tolist()], classes[index]
        for k, i in enumerate(index.tolist()):
            if boxes[i] and rng.random() < cut:
                frame = around(boxes[i], rng)
                x[k] = enlarged(x[k], frame, mode="bicubic", antialias=True).clamp(-1, 1)
                marked[k] = enlarged(marked[k], frame, mode="nearest-exact")
                pairs = zip(names[i], boxes[i], strict=True)
                things[k] = [n for n, b in pairs if inside(b, frame) > 0.5]
        return x, things, marked

    return drawn


def around(boxes: list[tuple[float, ...]], rng: np.random.Generator) -> tuple[float, ...]:
    """A frame about one of the boxes: most are near its edges, some anywhere within a third of it.
    It cuts no box in two; where that cannot be had it is the whole picture.
    """
    box = np.array(boxes[rng.integers(len(boxes))])
    size = np.tile(box[2:] - box[:2], 2)
    for _ in range(50):
        reach = 0.08 if rng.random() < 0.7 else 0.35
        moved = box + reach * size * rng.normal(size=4)
        low = moved[:2].clip(0, 0.85)
        frame = (*low.tolist(), *np.maximum(moved[2:], low + 0.12).clip(max=1).tolist())
        shares = [inside(b, frame) for b in boxes]
        if max(shares) > 0.5 and all(s > 0.5 or s < 0.2 for s in shares):
            return frame
    return 0.0, 0.0, 1.0, 1.0


def enlarged(x: Tensor, frame: tuple[float, ...], **way: Any) -> Tensor:
    """The part of a picture (..., 64, 64) in a frame, as large as the whole."""
    left, top, right, bottom = (round(SIZE * v) for v in frame)
    part = x[..., top:bottom, left:right].reshape(1, -1, bottom - top, right - left).float()
    return F.interpolate(part, (SIZE, SIZE), **way).reshape(x.shape).to(x.dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", type=Path)
    parser.add_argument("name", choices=["latents", *MINUTES])
    parser.add_argument("--minutes", type=float, help="more of them go on with what is there")
    parser.add_argument("--quick", action="store_true", help="two steps, to try the whole way")
    args = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    F.scaled_dot_product_attention = attention
    if args.name == "latents":
        latents(args.work)
        return
    minutes = args.minutes or MINUTES[args.name]
    steps, batch = (2, 8) if args.quick else (None, 32 if args.name in SMALL else 96)
    if args.name.startswith("flux"):
        flow(args.work, args.name, minutes, steps, batch)
        return
    others = {"vae": vae, "decoder": decoder, "rooms": rooms, "segmenter": segmenter}
    others |= {"depth": depth, "sight": sight, "judge": judge}
    others[args.name](args.work, minutes, steps, batch)


if __name__ == "__main__":
    main()
