"""The posterior: a table of components, their marginals, pairs of them, a scatter over contours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from poedsl.runtime.core.quantiles import weighted_quantiles
from poedsl.runtime.results.page.embedded import bands
from poedsl.runtime.results.page.markup import Numbers
from poedsl.runtime.results.page.plots import Plot, Range, beside, square, widened
from poedsl.runtime.results.pictures import log_target
from poedsl.runtime.results.posterior_summary import LISTED, component_names, named
from poedsl.runtime.results.saved_files import WrittenRun
from poedsl.runtime.smc.resampling_schemes import systematic

#: Components with a marginal, and those of which every pair is shown.
MARGINALS, PAIRED = 12, 4
#: Draws in a scatter, alone and in a pair.
DRAWS, DRAWS_OF_PAIRS = 2000, 400
BINS = 40
#: What contours mark: how much lower than at its peak the log density is.
FALLS = (8.0, 6.0, 4.5, 3.0, 2.0, 1.0, 0.3)
#: The colour of the contours, and the sides of their picture in pixels.
COLOUR, GRID = (49, 116, 186), 240


def posterior(result: WrittenRun, numbers: Numbers) -> str:
    """Empty for pictures and texts alone, whose pixels and symbols say little."""
    columns = components(result)
    if not result.posterior or not (columns or result.reports):
        return ""
    head, *rows = result.posterior.table()
    out = _plane(result, numbers)
    out += numbers.table("Components under the weights.", ("component", *head[1:]), rows)
    columns = {n: x for n, x in columns.items() if not np.isin(x, (0, 1)).all()}
    if columns:
        out += _marginals(result, columns, numbers)
    plane = len(columns) == 2 and out.startswith("<figure")
    if len(columns) > 1 and not plane:
        out += _pairs(result, columns, numbers)
    return out


def components(result: WrittenRun) -> dict[str, Any]:
    """The numbers (L,) of every component of small variables, sites and reports, by name."""
    values = {**named(result.plan, result.particles, result.sites), **result.reports}
    pictures = {v.name for v in result.plan.variables if v.type.name in ("Image", "Video")}
    out: dict[str, Any] = {}
    for name, value in values.items():
        columns = value.detach().reshape(len(value), -1).double().cpu().numpy()
        if name not in pictures and 0 < columns.shape[1] <= LISTED:
            out |= zip(component_names(name, value.shape[1:]), columns.T, strict=True)
    return out


def _marginals(result: WrittenRun, columns: dict[str, Any], numbers: Numbers) -> str:
    weights = result.log_weights.double().exp().cpu().numpy()
    plots = [_marginal(result, n, columns[n], weights) for n in list(columns)[:MARGINALS]]
    left = len(columns) - len(plots)
    more = f" The first {len(plots)} of {len(columns)} components." if left else ""
    caption = f"Weighted histograms; lines mark the 5 %, 50 % and 95 % quantiles.{more}"
    return numbers.figure(beside(plots), caption)


def _marginal(result: WrittenRun, name: str, values: Any, weights: Any) -> str:
    row = result.posterior.get(name)
    x = core(values, weights)
    heights, edges = np.histogram(values, bins=BINS, range=x, weights=weights, density=True)
    heights = np.nan_to_num(heights)
    quantiles = [] if row is None else [row.q5, row.q50, row.q95]
    label = f"histogram of {name}"
    if row is not None:
        label += f": mean {row.mean:.4g}, 90 % from {row.q5:.4g} to {row.q95:.4g}"
    top = float(heights.max()) or 1.0
    plot = Plot(x, (0.0, 1.08 * top), label, name, "density", width=260, height=170).bars(
        edges, heights
    )
    for q in quantiles:
        if x[0] <= q <= x[1]:
            plot.upright(q)
    return plot.svg()


def core(values: Any, weights: Any, room: float = 0.1) -> Range:
    """The range that holds almost all of the weight, so that heavy tails leave something to see,
    and some room around it.
    """
    x, shares = torch.from_numpy(values)[:, None], torch.from_numpy(weights / weights.sum())
    return widened(weighted_quantiles(x, x.argsort(0), shares, (0.002, 0.998)), room)


def _pairs(result: WrittenRun, columns: dict[str, Any], numbers: Numbers) -> str:
    """Unweighted draws of every two of the first components."""
    chosen = list(columns)[:PAIRED]
    index = _drawn(result, DRAWS_OF_PAIRS)
    weights = result.log_weights.double().exp().cpu().numpy()
    ranges = {n: core(columns[n], weights) for n in chosen}
    plots = [
        Plot(ranges[a], ranges[b], f"draws of {a} and {b}", a, b, width=230, height=200)
        .points(columns[a][index], columns[b][index])
        .svg()
        for k, b in enumerate(chosen)
        for a in chosen[:k]
    ]
    more = (
        f", of the first {len(chosen)} of {len(columns)} components"
        if columns.keys() - {*chosen}
        else ""
    )
    return numbers.figure(beside(plots), f"{len(index)} unweighted draws of every pair{more}.")


def _drawn(result: WrittenRun, most: int) -> Any:
    """Slots of unweighted draws, at most so many."""
    weights = result.log_weights.double().cpu()[None]
    return systematic(weights, torch.full((1, 1), 0.5), min(most, weights.shape[1]))[0].numpy()


def _plane(result: WrittenRun, numbers: Numbers) -> str:
    """Draws of a variable of two numbers over the contours of its log density."""
    name = result.plan.variables[0].name
    shape = tuple(result.particles[name].shape[1:])
    alone = len(result.plan.variables) == 1 and not result.sites
    if not alone or math.prod(shape) != 2 or not result.particles[name].is_floating_point():
        return ""
    points = result.particles[name].reshape(-1, 2).double().cpu().numpy()
    index = _drawn(result, DRAWS)
    x, y = square(points[index])
    names = component_names(name, torch.Size(shape))
    first, second = names
    plot = Plot(x, y, f"draws of {first} and {second}", first, second, width=480, height=480)
    values = log_target(result, name, [np.linspace(*x, GRID), np.linspace(*y, GRID)])
    over = ""
    if values is not None:
        top = float(np.nanmax(values))
        levels = np.digitize(values, [top - fall for fall in FALLS])
        plot.picture(bands(levels[::-1], COLOUR, np.linspace(0, 0.62, len(FALLS) + 1)))
        falls = ", ".join(f"{fall:g}" for fall in reversed(FALLS))
        over = f" over the log density of the product: bands end {falls} below its peak"
    plot.points(points[index, 0], points[index, 1])
    return numbers.figure(plot.svg(), f"{len(index)} unweighted draws of {name}{over}.")
