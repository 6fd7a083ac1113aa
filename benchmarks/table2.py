"""A simulated ball before scenery that moves by itself: each expert alone, and their product (Zhang
et al., Table 2, in the playroom in motion).

    python benchmarks/table2.py [--scenes 30] [--particles 1] [--steps 20] [--out FILE.json]
        [--picture FILE.png]

A held-out scene is given by its first frame, its caption, and the depth and the mask of a
simulation of the ball, which has none of the scenery.

- `ball`: overlap (intersection over union) of where a film shows the ball with where the simulation
  has it, on average over frames. A pixel shows the ball if its colour is nearer to one of the ball
  in the true film than to any other of that film.
- `colour`: mean absolute difference from the true film on the ball.
- `scenery`: the same where the scenery is at any time, without the ball.
- `moves`: the correlation there of how grey levels differ from those of the first frame with how
  they do in the true film.
- `room`: mean absolute difference elsewhere.
- `camera`: pixels by which the room stands too high or too low, on average over frames.
- `jerk`: mean absolute second difference in time.
- `sum`: 1 - ball + scenery.

Means over scenes and particles, with standard errors over scenes. `the render` has the values for
the truth, `decoded` those for the truth as the autoencoder of the models keeps it, and
`the picture` those for its first frame as all frames. `--picture` shows every second frame of films
of three scenes: the truth, and one film by each program that is in ``SHOWN``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from figures import add_out, report
from PIL import Image
from torch import Tensor

import poedsl
from poedsl.catalog.profiles import BUILT_IN
from poedsl.catalog.weights import model_folder
from poedsl.experts.flows.film_latents import FilmCodec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "models" / "recipes"))

from playroom_motion import data
from playroom_motion.scenes import Film, render

I2V = "input image : Image[3, 64, 64]\nx ~ wan_i2v(image, prompt, guidance = 1)"
DEPTH = "x ~ wan_depth(depth, prompt, guidance = 1)"
MASK = "input mask : Mask[17, 64, 64]\nlet m = blur(mask, 1)"
#: 1 on the ball and some pixels around it.
WIDE = "input mask : Mask[17, 64, 64]\nlet m = clamp(3 * blur(mask, 3), 0, 1)"
PROGRAMS = {
    "image to video": I2V,
    "depth to video": DEPTH,
    "product": f"{MASK}\n{I2V}\n{DEPTH} ^ m",
    "product by masks": f"{MASK}\n{I2V} ^ (1 - m)\n{DEPTH} ^ m",
    "product by wide masks": f"{WIDE}\n{I2V} ^ (1 - m)\n{DEPTH} ^ m",
}
#: Programs with a picture, and for how many scenes.
SHOWN, PICTURED = ("image to video", "depth to video", "product by wide masks"), 3
COLUMNS = ("ball", "colour", "scenery", "moves", "room", "camera", "jerk", "sum")
#: Colours of the ball, and others, that pixels are compared with; and by how many pixels masks are
#: widened for regions that leave out what is at an edge.
COLOURS, EDGE = 300, 1


def sampled(program: str, inputs: dict[str, Any], seed: int, particles: int, steps: int) -> Tensor:
    """Films (N, 17, 3, 64, 64)."""
    source = (
        f"input prompt : Text\ninput depth : Depth[17, 64, 64]\nx : Video[17, 3, 64, 64]\n{program}"
    )
    names = {i.name for i in poedsl.compile(source).spec.inputs}
    plan = poedsl.compile(source).bind(**{k: v for k, v in inputs.items() if k in names})
    run = plan.run(seed=seed, profile="small", particles=particles, steps=steps)
    films: Tensor = run.particles["x"]
    return films


class Truth:
    """A film as it was rendered, and what others are measured by.

    Attributes:
        film: (17, 3, 64, 64) in [0, 1]. ball, scenery, room: (17, 64, 64), where the ball is, where
            the scenery is at any time and the ball is not, and everything else.
    """

    def __init__(self, film: Film) -> None:
        self.film = torch.from_numpy(film.image).permute(0, 3, 1, 2).float() / 255
        self.depth = torch.from_numpy(film.depth).float() / 255
        self.ball = torch.from_numpy(film.ball).float()
        around = wider(self.ball)
        self.scenery = wider(torch.from_numpy(film.scenery).float()).amax(0) * (1 - around)
        self.room = (1 - around) * (1 - self.scenery)
        pixels, ball = self.film.movedim(1, -1).reshape(-1, 3), self.ball.flatten() > 0
        self.palette = [evenly(pixels[ball]), evenly(pixels[~ball])]

    def shown(self, films: Tensor) -> Tensor:
        """Where films (N, 17, 3, 64, 64) show the ball, (N, 17, 64, 64)."""
        pixels = films.movedim(2, -1).reshape(-1, 3)
        own, other = (
            torch.cat([torch.cdist(part, colours).amin(1) for part in pixels.split(4096)])
            for colours in self.palette
        )
        return (own < other).reshape(len(films), *self.ball.shape)

    def measured(self, films: Tensor) -> list[float]:
        """The columns for films, on average."""
        shown, ball = self.shown(films), self.ball.bool()
        both, either = (shown & ball).sum((2, 3)), (shown | ball).sum((2, 3))
        overlap = (both / either.clamp(min=1)).where(either > 0, torch.ones(())).mean()
        off = (films - self.film).abs().mean(2)
        colour, scenery, room = (
            (off * where).sum((1, 2, 3)).div(where.sum().clamp(min=1)).mean()
            for where in (self.ball, self.scenery, self.room)
        )
        changes = [(film.mean(1) - film[:1].mean(1))[self.scenery > 0] for film in films]
        true = (self.film.mean(1) - self.film[:1].mean(1))[self.scenery > 0]
        moves = torch.stack([correlation(change, true) for change in changes]).mean()
        jerk = films.diff(n=2, dim=1).abs().mean()
        camera, total = self.raised(films).abs().mean(), 1 - overlap + scenery
        return [float(v) for v in (overlap, colour, scenery, moves, room, camera, jerk, total)]

    def raised(self, films: Tensor) -> Tensor:
        """Pixels (N, 17) by which the room is higher in each frame of films than it is in truth, by
        least squares. It has no edges from left to right.
        """
        steps = torch.gradient(self.film, dim=2)[0] * self.room[:, None]
        return ((films - self.film) * steps).sum((2, 3, 4)) / steps.square().sum((1, 2, 3))


def wider(mask: Tensor) -> Tensor:
    """A mask (17, 64, 64) and what is beside it."""
    return F.max_pool2d(mask[:, None], 2 * EDGE + 1, 1, EDGE)[:, 0]


def evenly(colours: Tensor) -> Tensor:
    """Some of the colours (N, 3) that there are, each once."""
    levels = (255 * colours).round().unique(dim=0) / 255
    return levels[:: max(1, len(levels) // COLOURS)]


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Zero where one of them is constant."""
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-9)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=30)
    parser.add_argument("--particles", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--picture", type=Path, help="where films are shown")
    add_out(parser, "table2")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows: dict[str, list[list[float]]] = {
        name: [] for name in ("the render", "decoded", "the picture", *PROGRAMS)
    }
    folder = str(model_folder("playroom/wan-i2v"))
    codec = FilmCodec(folder, torch.device("cpu"), BUILT_IN["small"])
    strips: list[Tensor] = []
    for number in range(args.scenes):
        scene = data.held_out(number)
        truth = Truth(render(scene))
        rows["the render"].append(truth.measured(truth.film[None]))
        with torch.no_grad():
            kept = codec.decode(codec.encode(truth.film[None]))
        rows["decoded"].append(truth.measured(kept))
        rows["the picture"].append(truth.measured(truth.film[:1].expand_as(truth.film)[None]))
        inputs = {
            "image": truth.film[0],
            "prompt": scene.caption,
            "depth": truth.depth,
            "mask": truth.ball,
        }
        strips.append(truth.film)
        for name, program in PROGRAMS.items():
            films = sampled(program, inputs, number, args.particles, args.steps)
            rows[name].append(truth.measured(films))
            strips += [films[0]] if name in SHOWN else []
        print(f"scene {number + 1} of {args.scenes}", file=sys.stderr, flush=True)
    report(args, COLUMNS, rows)
    if args.picture:
        draw(strips[: PICTURED * (1 + len(SHOWN))]).save(args.picture, optimize=True)


def draw(films: list[Tensor]) -> Image.Image:
    """A film a row, and every second frame a column, twice as large."""
    rows = torch.cat([torch.cat(list(film[::2]), 2) for film in films], 1)
    picture = Image.fromarray((255 * rows).round().byte().permute(1, 2, 0).numpy())
    return picture.resize((2 * picture.width, 2 * picture.height), Image.Resampling.NEAREST)


if __name__ == "__main__":
    main()
