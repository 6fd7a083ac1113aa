"""Particles at the stages of a run, with their lines of descent (Zhang et al., Fig. 11)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from poedsl.compiler.plan.plan_parts import VariableSpec
from poedsl.grammar.types import SYMBOLS
from poedsl.runtime.results.page.descent import StageRow, rows
from poedsl.runtime.results.page.embedded import picture
from poedsl.runtime.results.page.markup import Numbers, esc, scrolling
from poedsl.runtime.results.page.plots import Plot, beside
from poedsl.runtime.results.page.posterior import core
from poedsl.runtime.results.particle_histories import Snapshots, ancestor_slots
from poedsl.runtime.results.posterior_summary import component_names
from poedsl.runtime.results.report import order
from poedsl.runtime.results.saved_files import WrittenRun
from poedsl.runtime.smc.snapshots import Snapshot

#: Particles in a row at most, and fewer where all pictures together have more numbers than this.
MOST, MOST_NUMBERS = 32, 2**28
#: Likewise where an autoencoder decodes them, which takes time.
MOST_DECODED = {"Image": 8, "Video": 3}
#: The side of a picture, the distance of columns and of rows, and room for the names of rows.
SIDE, ACROSS, DOWN, MARGIN = 64, 74, 104, 116
#: Particles of which lines of descent are drawn where there are no pictures, and their distances.
LINES, LINE_ACROSS, LINE_DOWN = 64, 9, 44
#: Texts in a row.
TEXTS = 8


def lines(result: WrittenRun, numbers: Numbers) -> str:
    """The particles at some stages as pictures, points or texts, and who descends from whom."""
    if len(result.parents) < 2:
        return ""
    snapshots, out = result.snapshots, ""
    if snapshots is None or not snapshots.stages:
        return _descent(result, numbers)
    for variable in result.plan.variables:
        if variable.type.name in ("Image", "Video"):
            return _pictures(result, snapshots, variable, numbers)
        if variable.type.name in SYMBOLS:
            out += _texts(result, snapshots, variable, numbers)
            break
        if variable.type.name == "Real":
            out += _points(result, snapshots, variable, numbers)
            break
    return out + _descent(result, numbers)


def _chosen(result: WrittenRun, snapshots: Snapshots, most: int) -> list[StageRow]:
    first = order(result) if result.outcome.ok else list(range(len(result.log_weights)))
    return rows(result.parents.cpu(), [s.index for s in snapshots.stages], first, most)


def _pictures(
    result: WrittenRun, snapshots: Snapshots, variable: VariableSpec, numbers: Numbers
) -> str:
    size = math.prod(result.particles[variable.name].shape[1:]) * len(snapshots.stages)
    decoded = variable.name in snapshots.space.codecs
    most = MOST_DECODED[variable.type.name] if decoded else MOST
    most = max(2, min(most, MOST_NUMBERS // size))
    chosen = _chosen(result, snapshots, most)
    width = MARGIN + ACROSS * max(len(row.slots) for row in chosen)
    marks, rewarded = "", _rewarded(snapshots)
    for number, (row, stage) in enumerate(zip(chosen, snapshots.stages, strict=True)):
        top = number * DOWN + 20
        marks += _name(row, stage, top + SIDE / 2)
        marks += "".join(
            _line(_middle(parent), top - DOWN + SIDE, _middle(place), top - 15)
            for place, parent in enumerate(row.parents)
            if parent is not None
        )
        values = snapshots.values(stage, row.slots)[variable.name]
        frames = values[:, values.shape[1] // 2] if variable.type.name == "Video" else values
        for place in range(len(row.slots)):
            score = _score(stage, row.slots[place], rewarded)
            marks += _tile(row, stage, place, top, score, picture(frames[place], SIDE))
    height = DOWN * len(chosen)
    label = f"{variable.name} at {len(chosen)} stages, with lines of descent"
    svg = (
        f'<svg class="lines" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{esc(label)}">{marks}</svg>'
    )
    return numbers.figure(scrolling(svg, label), _caption(result, snapshots, chosen, variable.name))


def _caption(result: WrittenRun, snapshots: Snapshots, chosen: list[StageRow], name: str) -> str:
    count, shown = len(result.log_weights), max(len(row.slots) for row in chosen)
    part = "all" if shown == count else f"{shown} of the"
    what = (
        "the reward counted so far"
        if _rewarded(snapshots)
        else "the share of the weight in percent"
    )
    when = (
        "the stages at which particles were resampled"
        if any(s.resampled for s in snapshots.stages)
        else "evenly spaced stages"
    )
    return (
        f"{name} as predicted at {when}, before resampling: {part} {count} particles, from noise "
        f"to data. Numbers are {what}; they are underlined where a particle has descendants in the "
        "next row or in the result, and the others are pale. Frames of one colour descend from one "
        "particle of the start."
    )


def _rewarded(snapshots: Snapshots) -> bool:
    """Whether rewards tell particles apart at any of the stages."""
    rewards = [s.rewards for s in snapshots.stages if s.rewards is not None]
    return any(float(r.min()) < float(r.max()) for r in rewards)


def _middle(place: int) -> float:
    return MARGIN + place * ACROSS + SIDE / 2


def _line(x: float, y: float, to_x: float, to_y: float) -> str:
    middle = (y + to_y) / 2
    return (
        f'<path class="descent" d="M{x:.1f} {y:.1f}C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} '
        f'{to_x:.1f} {to_y:.1f}"/>'
    )


def _name(row: StageRow, stage: Snapshot, y: float) -> str:
    resampled = "resampled" if stage.resampled else "not resampled"
    return (
        f'<text x="4" y="{y - 10:.0f}" class="name">stage {stage.t}</text>'
        f'<text x="4" y="{y + 5:.0f}" class="small">{resampled}</text>'
        f'<text x="4" y="{y + 20:.0f}" class="small">{row.alive} of {len(stage.log_weights)} go on'
        "</text>"
    )


def _tile(row: StageRow, stage: Snapshot, place: int, top: int, score: str, address: str) -> str:
    slot, going_on, left = row.slots[place], row.going_on[place], MARGIN + place * ACROSS
    state = f"{score}, goes on" if going_on else f"{score}, ends here"
    kind = "tile" if going_on else "tile gone"
    hue = round(row.roots[place] * 137.508) % 360
    return (
        f'<g class="{kind}"><title>particle {slot} at stage {stage.t}: {state}</title>'
        f'<image href="{address}" x="{left}" y="{top}" width="{SIDE}" height="{SIDE}"/>'
        f'<rect class="root" x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" '
        f'stroke="hsl({hue} 65% 50%)"/>'
        f'<rect class="paper" x="{left}" y="{top - 15}" width="{SIDE}" height="14"/>'
        f'<text class="score" x="{left + 1}" y="{top - 4}">{score}</text></g>'
    )


def _score(stage: Snapshot, slot: int, rewarded: bool) -> str:
    """The reward of a particle, empty before any is counted, or else its share of the weight."""
    if stage.rewards is not None and rewarded:
        return f"{float(stage.rewards[slot]):.4g}" if stage.index else ""
    return f"{100 * float(stage.log_weights[slot].exp()):.3g} %"


def _points(
    result: WrittenRun, snapshots: Snapshots, variable: VariableSpec, numbers: Numbers
) -> str:
    """Two components, or one and the particle's number, at every stage."""
    shape = result.particles[variable.name].shape[1:]
    first, *others = component_names(variable.name, shape)
    second = others[0] if others else "particle"
    ends = [*(stage.index for stage in snapshots.stages[1:]), len(result.parents)]
    points = [_places(snapshots, stage, variable.name) for stage in snapshots.stages]
    last = snapshots.stages[-1].log_weights.double().exp().numpy()
    x = core(points[-1][0], last, 1.0)
    y = core(points[-1][1], last, 1.0) if others else (-1.0, float(len(last)))
    plots = []
    for stage, (across, up), later in zip(snapshots.stages, points, ends, strict=True):
        lives = _lives(result, stage.index, later)
        title = f"stage {stage.t}: {lives.sum()} of {len(lives)} go on"
        plot = Plot(x, y, f"{first} and {second}, {title}", first, second, title, 250, 220)
        plot.points(across[~lives], up[~lives], "dots gone").points(across[lives], up[lives])
        plots.append(plot.svg())
    caption = (
        f"{first} and {second} as predicted at some stages, before resampling, in the range of the "
        "last one; particles without descendants in the next plot, or in the result, are pale."
    )
    return numbers.figure(beside(plots), caption)


def _places(snapshots: Snapshots, stage: Snapshot, name: str) -> tuple[Any, Any]:
    """The first component of every particle, and the second one or else the number."""
    values = snapshots.values(stage, range(len(stage.endpoints)))[name]
    columns = values.reshape(len(values), -1).cpu().double().numpy()
    return columns[:, 0], columns[:, 1] if columns.shape[1] > 1 else np.arange(len(columns)) + 0.0


def _lives(result: WrittenRun, index: int, later: int) -> Any:
    """Whether each particle of a stage has descendants at a later one."""
    parents = result.parents.cpu()
    lives = np.zeros(parents.shape[1], dtype=bool)
    lives[ancestor_slots(parents, later, index, torch.arange(parents.shape[1])).numpy()] = True
    return lives


def _texts(
    result: WrittenRun, snapshots: Snapshots, variable: VariableSpec, numbers: Numbers
) -> str:
    """The texts so far of some particles at every stage."""
    name, vocabulary = variable.name, result.vocabularies.get(variable.name)
    places = snapshots.space.slice(name)
    cells, rewarded = [], _rewarded(snapshots)
    for row, stage in zip(_chosen(result, snapshots, TEXTS), snapshots.stages, strict=True):
        end = min(places.stop, stage.length)
        if end <= places.start:
            continue
        symbols = stage.endpoints[list(row.slots)][:, places.start : end].tolist()
        for slot, going_on, line in zip(row.slots, row.going_on, symbols, strict=True):
            shown = " ".join(map(str, line)) if vocabulary is None else repr(vocabulary.text(line))
            state = "goes on" if going_on else "ends here"
            cells.append((str(stage.t), str(slot), _score(stage, slot, rewarded), state, shown))
    what = "reward" if rewarded else "weight"
    caption = (
        f"{name} so far at some stages, before resampling: up to {TEXTS} of "
        f"{len(result.log_weights)} particles. A particle goes on if it has descendants at the "
        "next of these stages, or in the result."
    )
    return numbers.table(caption, ("stage", "particle", what, "fate", name), cells, kind="texts")


def _descent(result: WrittenRun, numbers: Numbers) -> str:
    """Lines of descent of particles of the result, through the stages that were resampled."""
    resampled = [i for i, s in enumerate(result.stages) if s.resampled and i]
    if not resampled:
        return ""
    stride = -(-len(resampled) // 16)
    indices = [0, *resampled[::stride]]
    indices = sorted({*indices, resampled[-1]})
    count = len(result.log_weights)
    most = min(LINES, count)
    evenly = [k * count // most for k in range(most)]
    chosen = rows(result.parents.cpu(), indices, evenly, most)
    width, height = MARGIN + LINE_ACROSS * most + 12, LINE_DOWN * len(chosen)
    marks = ""
    for number, row in enumerate(chosen):
        y = number * LINE_DOWN + 22
        t = result.stages[row.index].t
        marks += f'<text x="4" y="{y}" class="name">stage {t}</text>'
        marks += f'<text x="4" y="{y + 14}" class="small">{row.alive} of {count} go on</text>'
        for place, parent in enumerate(row.parents):
            x = MARGIN + LINE_ACROSS * place
            if parent is not None:
                above = MARGIN + LINE_ACROSS * parent
                marks += _line(above, y - LINE_DOWN + 4, x, y - 4)
            kind = "node" if row.going_on[place] else "node gone"
            hue = round(row.roots[place] * 137.508) % 360
            marks += f'<circle class="{kind}" cx="{x}" cy="{y}" r="3.2" fill="hsl({hue} 65% 50%)"/>'
    label = f"Lines of descent of {most} particles through {len(chosen)} stages"
    svg = (
        f'<svg class="lines" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img" aria-label="{label}">{marks}</svg>'
    )
    caption = (
        f"Lines of descent of {most} of {count} particles through stages that were resampled, from "
        "noise to data. Particles without descendants in the next row are pale; those of one "
        "colour descend from one particle of the start."
    )
    return numbers.figure(scrolling(svg, label), caption)
