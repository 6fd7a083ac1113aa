"""What a variable looks like to a person: a grid of pictures, films, a scatter over the target's
contours, a histogram, the symbols at every place of a sequence.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.experts.sequences.vocabulary import Vocabulary
from poedsl.grammar.types import SYMBOLS
from poedsl.runtime.core.sampler_options import keeps_best
from poedsl.runtime.results.films import EndpointSequence, draw_films
from poedsl.runtime.results.grids import BLANK, FOLLOWED, SHOWN, grid, numbered, pil_image
from poedsl.runtime.results.page.plots import square, widened
from poedsl.runtime.results.report import order

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes


@runtime_checkable
class DrawnRun(Protocol):
    """What pictures show of a result; `Result` describes the attributes."""

    @property
    def plan(self) -> PlanSpec: ...
    @property
    def particles(self) -> Mapping[str, Tensor]: ...
    @property
    def log_weights(self) -> Tensor: ...
    @property
    def scores(self) -> Tensor: ...
    @property
    def vocabularies(self) -> Mapping[str, Vocabulary]: ...
    @property
    def log_product(self) -> Callable[[Tensor], Tensor] | None: ...
    @property
    def predicted_endpoints(self) -> EndpointSequence | None: ...
    def sample(self, n: int, seed: int = 0) -> dict[str, Tensor]: ...


#: Pictures that are written one by one.
WRITTEN = 64


def draw(result: DrawnRun, folder: Path) -> None:
    """Write the pictures of every variable to a folder.

    Raises:
        ImportError: matplotlib is not installed, which scatters and histograms need.
    """
    for variable in result.plan.variables:
        name, shape = variable.name, tuple(result.particles[variable.name].shape[1:])
        if variable.type.name == "Image":
            _pictures(result, name, folder)
        elif variable.type.name == "Video":
            draw_films(result, name, folder)
        elif variable.type.name in SYMBOLS:
            _symbols(result, name, folder)
        elif math.prod(shape) == 2:
            _scatter(result, name, folder)
        else:
            _histograms(result, name, folder)


def _pictures(result: DrawnRun, name: str, folder: Path) -> None:
    """A grid in the order of `order` with a frame around the best, the first pictures each on its
    own under the number of its particle, and the predicted endpoints of the first ones along the
    path. Predicted endpoints that are not finite are blank.
    """
    from PIL import Image

    particles = result.particles[name].clamp(0, 1).cpu()
    indices = order(result)
    size = max(1, round(SHOWN / max(particles.shape[-2:])))

    def tile(picture: Float[Tensor, "C H W"]) -> Any:
        return pil_image(picture).resize(_times(particles, size), Image.Resampling.NEAREST)

    tiles = [tile(particles[i]) for i in indices]
    columns = math.ceil(math.sqrt(len(tiles)))
    rows = [tiles[k : k + columns] for k in range(0, len(tiles), columns)]
    grid(rows, framed=keeps_best(result.plan)).save(folder / f"{name}.png")
    for index in indices[:WRITTEN]:
        pil_image(particles[index]).save(folder / f"{name}-{numbered(index, len(particles))}.png")
    if result.predicted_endpoints is not None:
        ends = (
            result.predicted_endpoints.of(i)[name].nan_to_num(nan=BLANK) for i in indices[:FOLLOWED]
        )
        lines = [end.clamp(0, 1).cpu() for end in ends]
        grid([[tile(end) for end in line] for line in lines]).save(folder / f"{name}-path.png")


def _times(particles: Tensor, size: int) -> tuple[int, int]:
    height, width = particles.shape[-2:]
    return width * size, height * size


def _axes(title: str) -> tuple[Any, Axes]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title)
    return figure, axes


def _scatter(result: DrawnRun, name: str, folder: Path) -> None:
    """Unweighted draws over the contours of the target's log density, where it has one."""
    count = min(len(result.log_weights), 2000)
    points = result.sample(count)[name].reshape(count, -1).cpu().numpy()
    figure, axes = _axes(result.plan.program)
    ends = square(points)
    ticks = [np.linspace(*end, 160) for end in ends]
    values = log_target(result, name, ticks)
    if values is not None:
        below = values - np.nanmax(values)
        levels = [-8, -6, -4.5, -3, -2, -1, -0.3, 1e-6]
        axes.contourf(*ticks, below, levels=levels, cmap="Blues", alpha=0.55)
    axes.scatter(points[:, 0], points[:, 1], s=4, color="#d95f02", alpha=0.5, linewidths=0)
    axes.set_xlim(*ends[0])
    axes.set_ylim(*ends[1])
    axes.set_aspect("equal")
    axes.set_xlabel(f"{name}[0]")
    axes.set_ylabel(f"{name}[1]")
    figure.savefig(folder / f"{name}.png", dpi=110)


def log_target(result: DrawnRun, name: str, ticks: list[Any]) -> Any:
    """The log target on a grid, (rows, columns); None where a factor has no density."""
    if result.log_product is None or len(result.plan.variables) > 1:
        return None
    device = result.log_weights.device
    first, second = (torch.tensor(t, dtype=torch.float32, device=device) for t in ticks)
    grid = torch.stack(torch.meshgrid(first, second, indexing="xy"), -1).view(-1, 2)
    shown: Any = result.log_product(grid).view(len(second), len(first)).cpu().numpy()
    return np.where(np.isfinite(shown), shown, -1e30)


def _symbols(result: DrawnRun, name: str, folder: Path) -> None:
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
    lines = (f"{share:.6f}  {label}" for share, label in shares(result, name))
    (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def shares(result: DrawnRun, name: str) -> list[tuple[float, str]]:
    """The distinct sequences of a variable of symbols, each with its probability, the likeliest
    first; as texts in quotes where symbols say something.
    """
    weights = result.log_weights.exp().double().cpu()
    rows = result.particles[name].cpu().reshape(len(weights), -1)
    distinct, inverse = torch.unique(rows, dim=0, return_inverse=True)
    totals = weights.new_zeros(len(distinct)).scatter_add_(0, inverse, weights)
    vocabulary = result.vocabularies.get(name)
    labels = [
        " ".join(map(str, row)) if vocabulary is None else repr(vocabulary.text(row))
        for row in distinct.tolist()
    ]
    order = totals.argsort(descending=True, stable=True).tolist()
    return [(float(totals[i]), labels[i]) for i in order]


def _histograms(result: DrawnRun, name: str, folder: Path) -> None:
    """A weighted histogram of each component, the first sixteen of them."""
    weights = result.log_weights.exp().cpu().numpy()
    values = result.particles[name].reshape(len(weights), -1).double().cpu().numpy()
    figure, axes = _axes(result.plan.program)
    for k in range(min(values.shape[1], 16)):
        label = name if values.shape[1] == 1 else f"{name}[{k}]"
        ends = widened(values[:, k], 0.0)
        axes.hist(
            values[:, k],
            bins=60,
            range=ends,
            weights=weights,
            histtype="step",
            density=True,
            label=label,
        )
    axes.legend()
    figure.savefig(folder / f"{name}.png", dpi=110)
