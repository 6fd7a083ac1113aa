"""What a variable looks like to a person: a grid of pictures, a scatter over the target's
contours, a histogram, the symbols at every place of a sequence.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.grammar.types import SYMBOLS
from poedsl.runtime.core.sampler_options import keeps_best
from poedsl.runtime.results.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Height and width, in pixels, that a small picture is enlarged to.
SHOWN = 160
#: Pixels between pictures.
GAP = 8
#: Of the background, for what cannot be shown.
BLANK = 1.0
#: Particles whose predicted endpoints are shown, a row each.
FOLLOWED = 6


def draw(result: Result, folder: Path) -> list[str]:
    """Write the pictures of every variable to a folder; their names.

    Raises:
        ImportError: matplotlib is not installed, which scatters and histograms need.
    """
    names: list[str] = []
    for variable in result.plan.variables:
        shape = tuple(result.particles[variable.name].shape[1:])
        if variable.type.name == "Image":
            names += _pictures(result, variable.name, folder)
        elif variable.type.name in SYMBOLS:
            names.append(_symbols(result, variable.name, folder))
        elif math.prod(shape) == 2:
            names.append(_scatter(result, variable.name, folder))
        else:
            names.append(_histograms(result, variable.name, folder))
    return names


def _pictures(result: Result, name: str, folder: Path) -> list[str]:
    """A grid with the best first and a frame around it, each picture on its own, and the predicted
    endpoints on the way to the first ones. Particles without weight are left out, and what is not
    finite on the way is blank.
    """
    from PIL import Image

    particles = result.particles[name].clamp(0, 1).cpu()
    ranking = result.scores if keeps_best(result.plan) else result.log_weights
    weighed = int(torch.isfinite(result.log_weights).sum())
    order = ranking.cpu().argsort(descending=True).tolist()[:weighed]
    size = max(1, round(SHOWN / max(particles.shape[-2:])))

    def tile(picture: Float[Tensor, "C H W"]) -> Any:
        return pil_image(picture).resize(_times(particles, size), Image.Resampling.NEAREST)

    tiles = [tile(particles[i]) for i in order]
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = [tiles[k : k + columns] for k in range(0, len(tiles), columns)]
    _grid(rows, framed=keeps_best(result.plan)).save(folder / f"{name}.png")
    for rank, index in enumerate(order[:64]):
        pil_image(particles[index]).save(folder / f"{name}-{rank:03d}.png")
    if result.trail is None:
        return [f"{name}.png"]
    ends = (result.trail.of(i)[name].nan_to_num(nan=BLANK) for i in order[:FOLLOWED])
    lines = [end.clamp(0, 1).cpu() for end in ends]
    _grid([[tile(end) for end in line] for line in lines]).save(folder / f"{name}-path.png")
    return [f"{name}.png", f"{name}-path.png"]


def _grid(rows: list[list[Any]], *, framed: bool = False) -> Any:
    """Rows of pictures of one size on white, with a frame around the first where it is the best."""
    from PIL import Image

    width, height, gap = rows[0][0].width, rows[0][0].height, GAP
    size = (len(rows[0]) * (width + gap) + gap, len(rows) * (height + gap) + gap)
    grid = Image.new("RGB", size, "white")
    if framed:
        edge = gap // 2
        grid.paste("#d95f02", (edge, edge, width + gap + edge, height + gap + edge))
    for i, row in enumerate(rows):
        for k, tile in enumerate(row):
            grid.paste(tile, (gap + k * (width + gap), gap + i * (height + gap)))
    return grid


def _times(particles: Tensor, size: int) -> tuple[int, int]:
    height, width = particles.shape[-2:]
    return width * size, height * size


def pil_image(picture: Float[Tensor, "C H W"]) -> Any:
    """A picture in [0, 1] as a PIL image."""
    from PIL import Image

    pixels = (picture * 255).round().byte().numpy()
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _axes(title: str) -> tuple[Any, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def _scatter(result: Result, name: str, folder: Path) -> str:
    """Unweighted draws over the contours of the target's log density, where it has one."""
    count = min(len(result.log_weights), 2000)
    points = result.sample(count)[name].reshape(count, -1).cpu().numpy()
    figure, axes = _axes(result.plan.program)
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, 0.6 * float((high - low).max()) + 1e-6
    ticks = [np.linspace(m - half, m + half, 160) for m in middle]
    values = _log_target(result, name, ticks)
    if values is not None:
        top = np.nanmax(values)
        levels = top - np.array([8, 6, 4.5, 3, 2, 1, 0.3])
        axes.contourf(*ticks, values, levels=[*levels, top + 1e-6], cmap="Blues", alpha=0.55)
    axes.scatter(points[:, 0], points[:, 1], s=4, color="#d95f02", alpha=0.5, linewidths=0)
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - half, middle[1] + half)
    axes.set_aspect("equal")
    axes.set_xlabel(f"{name}[0]")
    axes.set_ylabel(f"{name}[1]")
    figure.savefig(folder / f"{name}.png", dpi=110)
    return f"{name}.png"


def _log_target(result: Result, name: str, ticks: list[Any]) -> Any:
    """The log target on a grid, (rows, columns); None where a factor has no density."""
    if result.log_product is None or len(result.plan.variables) > 1:
        return None
    device = result.log_weights.device
    first, second = (torch.tensor(t, dtype=torch.float32, device=device) for t in ticks)
    grid = torch.stack(torch.meshgrid(first, second, indexing="xy"), -1).view(-1, 2)
    shown: Any = result.log_product(grid).view(len(second), len(first)).cpu().numpy()
    return np.where(np.isfinite(shown), shown, -1e30)


def _symbols(result: Result, name: str, folder: Path) -> str:
    """How likely each symbol is at each place; beside it a text with the distinct sequences, the
    likeliest first.
    """
    weights = result.log_weights.exp().double().cpu()
    particles = result.particles[name].cpu()
    rows = particles.reshape(len(weights), -1)
    table = weights.new_zeros(int(rows.max()) + 1, rows.shape[1])
    table.scatter_add_(0, rows, weights[:, None].expand(rows.shape))
    figure, axes = _axes(result.plan.program)
    image = axes.imshow(
        table.numpy(), cmap="Blues", aspect="auto", origin="lower", interpolation="nearest", vmin=0
    )
    figure.colorbar(image, label="probability")
    axes.set_xlabel(f"place in {name}")
    axes.set_ylabel("symbol")
    axes.locator_params(integer=True)
    figure.savefig(folder / f"{name}.png", dpi=110)
    distinct, inverse = torch.unique(rows, dim=0, return_inverse=True)
    shares = weights.new_zeros(len(distinct)).scatter_add_(0, inverse, weights)
    order = shares.argsort(descending=True, stable=True).tolist()
    words = result.words.get(name)
    labels = [
        " ".join(map(str, row)) if words is None else repr(words.text(row))
        for row in distinct.tolist()
    ]
    lines = (f"{shares[i]:.6f}  {labels[i]}" for i in order)
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return f"{name}.png"


def _histograms(result: Result, name: str, folder: Path) -> str:
    """A weighted histogram of each component, the first sixteen of them."""
    weights = result.log_weights.exp().cpu().numpy()
    values = result.particles[name].reshape(len(weights), -1).cpu().numpy()
    figure, axes = _axes(result.plan.program)
    for k in range(min(values.shape[1], 16)):
        label = name if values.shape[1] == 1 else f"{name}[{k}]"
        axes.hist(
            values[:, k], bins=60, weights=weights, histtype="step", density=True, label=label
        )
    axes.legend()
    figure.savefig(folder / f"{name}.png", dpi=110)
    return f"{name}.png"
