"""Plots as SVG, which a style sheet colours: lines, histograms, points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from poedsl.runtime.results.page.markup import esc

#: Room for the labels of the axes, in pixels.
LEFT, BOTTOM, TOP, RIGHT = 52, 36, 18, 12
#: Numbers that differ by less, as a share of the largest, are one: they are of single precision.
ROUNDED = 1e-6
Range = tuple[float, float]


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers between two others, at most so many and one."""
    raw = (high - low) / most
    if not raw > 0 or not math.isfinite(raw):
        return [low]
    size = 10.0 ** math.floor(math.log10(raw))
    step = next((m * size for m in (1, 2, 5) if m * size >= raw * (1 - 1e-9)), 10 * size)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    return [round(step * (first + k), 12) for k in range(count)]


def widened(values: Sequence[float] | Any, share: float = 0.05) -> Range:
    """A range around finite values, a little wider than they need."""
    numbers = np.asarray(values, dtype=float).ravel()
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return 0.0, 1.0
    low, high = float(numbers.min()), float(numbers.max())
    largest = max(abs(low), abs(high))
    apart = high - low > ROUNDED * largest
    room = share * (high - low) if apart else max(0.5, 0.05 * largest)
    return low - room, high + room


def square(points: Any) -> tuple[Range, Range]:
    """Ranges of one length around points (n, 2)."""
    ends = [widened(column, 0.1) for column in points.T]
    half = max(high - low for low, high in ends) / 2
    x, y = (((low + high) / 2 - half, (low + high) / 2 + half) for low, high in ends)
    return x, y


@dataclass(slots=True)
class Plot:
    """A plot under construction: the marks are added one after another.

    Attributes:
        x, y: ranges of the axes. label: what the plot shows, for those who do not see it.
        title: stands above it.
    """

    x: Range
    y: Range
    label: str
    x_name: str = ""
    y_name: str = ""
    title: str = ""
    width: int = 340
    height: int = 210
    marks: str = ""

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point stands, in pixels."""
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        inner = self.width - LEFT - RIGHT, self.height - TOP - BOTTOM
        return LEFT + across * inner[0], self.height - BOTTOM - up * inner[1]

    def line(self, xs: Sequence[float], ys: Sequence[float], kind: str = "line") -> Plot:
        """Points joined by a line, broken where a value is not finite."""
        path, pen = [], "M"
        for x, y in zip(xs, ys, strict=True):
            if not math.isfinite(y):
                pen = "M"
                continue
            px, py = self.at(x, y)
            path.append(f"{pen}{px:.1f} {py:.1f}")
            pen = "L"
        return self._add(f'<path class="{kind}" d="{"".join(path)}"/>')

    def band(self, xs: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Plot:
        """The area between two lines."""
        there = [i for i in range(len(xs)) if math.isfinite(low[i]) and math.isfinite(high[i])]
        points = [self.at(xs[i], high[i]) for i in there]
        points += [self.at(xs[i], low[i]) for i in reversed(there)]
        corners = " ".join(f"{px:.1f},{py:.1f}" for px, py in points)
        return self._add(f'<polygon class="band" points="{corners}"/>')

    def points(self, xs: Any, ys: Any, kind: str = "dots") -> Plot:
        """Points, those outside of the axes left out."""
        path = []
        for x, y in zip(xs, ys, strict=True):
            if self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]:
                px, py = self.at(float(x), float(y))
                path.append(f"M{px:.1f} {py:.1f}h0")
        return self._add(f'<path class="{kind}" d="{"".join(path)}"/>')

    def bars(self, edges: Any, heights: Any) -> Plot:
        """Bars from zero, side by side."""
        px, py = self.at(float(edges[0]), 0.0)
        path = f"M{px:.1f} {py:.1f}"
        for left, right, height in zip(edges[:-1], edges[1:], heights, strict=True):
            (a, top), (b, _) = self.at(float(left), float(height)), self.at(float(right), 0.0)
            path += f"L{a:.1f} {top:.1f}L{b:.1f} {top:.1f}"
        px, py = self.at(float(edges[-1]), 0.0)
        return self._add(f'<path class="bars" d="{path}L{px:.1f} {py:.1f}Z"/>')

    def upright(self, x: float, kind: str = "mark") -> Plot:
        """An upright line at a value."""
        (px, low), (_, high) = self.at(x, self.y[0]), self.at(x, self.y[1])
        return self._add(f'<path class="{kind}" d="M{px:.1f} {low:.1f}V{high:.1f}"/>')

    def level(self, y: float, kind: str = "mark") -> Plot:
        """A line across at a value."""
        (low, py), (high, _) = self.at(self.x[0], y), self.at(self.x[1], y)
        return self._add(f'<path class="{kind}" d="M{low:.1f} {py:.1f}H{high:.1f}"/>')

    def picture(self, address: str) -> Plot:
        """A picture over the whole area of the axes."""
        (left, top), (right, low) = self.at(self.x[0], self.y[1]), self.at(self.x[1], self.y[0])
        return self._add(
            f'<image href="{address}" x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" '
            f'height="{low - top:.1f}" preserveAspectRatio="none"/>'
        )

    def svg(self) -> str:
        """The plot with its axes."""
        axes = ""
        for x in ticks(*self.x):
            px, py = self.at(x, self.y[0])
            axes += f'<path class="tick" d="M{px:.1f} {py:.1f}v4"/>'
            axes += f'<text class="x" x="{px:.1f}" y="{py + 16:.1f}">{_number(x)}</text>'
        for y in ticks(*self.y, most=4):
            px, py = self.at(self.x[0], y)
            axes += f'<path class="grid" d="M{px:.1f} {py:.1f}H{self.width - RIGHT}"/>'
            axes += f'<text class="y" x="{px - 5:.1f}" y="{py + 4:.1f}">{_number(y)}</text>'
        (left, top), (right, low) = self.at(self.x[0], self.y[1]), self.at(self.x[1], self.y[0])
        frame = f'<path class="frame" d="M{left:.1f} {top:.1f}V{low:.1f}H{right:.1f}"/>'
        middle = (left + right) / 2, (top + low) / 2
        names = (
            f'<text class="x name" x="{middle[0]:.1f}" y="{self.height - 4}">{esc(self.x_name)}'
            f'</text><text class="x name" transform="translate(11 {middle[1]:.1f}) rotate(-90)">'
            f"{esc(self.y_name)}</text>"
        )
        if self.title:
            names += f'<text class="x title" x="{middle[0]:.1f}" y="11">{esc(self.title)}</text>'
        return (
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}" role="img" aria-label="{esc(self.label)}">'
            f"{axes}{self.marks}{frame}{names}</svg>"
        )

    def _add(self, mark: str) -> Plot:
        self.marks += mark
        return self


def _number(value: float) -> str:
    return f"{value:.6g}".replace("-", "\u2212")


def beside(plots: Sequence[str]) -> str:
    """Plots in rows, as many beside each other as there is room for."""
    return f'<div class="plots">{"".join(plots)}</div>'
