"""Distances between samples and exact draws of the plane (Zhang et al., E.1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import ot

Points = np.ndarray
#: In the order of the paper's tables, and how far NLL is from that of the truth, which samples
#: crowded at its peaks fall short of.
NAMES = ("W1", "W2", "MMD", "TV", "NLL", "off")


def w1(a: Points, b: Points) -> float:
    """Exact 1-Wasserstein distance."""
    return float(ot.emd2([], [], ot.dist(a, b, metric="euclidean"), numItermax=10**7))


def w2(a: Points, b: Points) -> float:
    """Exact 2-Wasserstein distance."""
    return float(ot.emd2([], [], ot.dist(a, b), numItermax=10**7)) ** 0.5


def mmd(a: Points, b: Points) -> float:
    """Unbiased squared maximum mean discrepancy; a Gaussian kernel as wide as the median distance
    within ``b``. Zero on average for equal distributions, so that it may be negative.
    """
    width = np.median(ot.dist(b[:500], b[:500]))

    def mean(x: Points, y: Points, *, same: bool) -> float:
        kernel = np.exp(-ot.dist(x, y) / width)
        return (kernel.sum() - len(x) * same) / (len(x) * (len(y) - same))

    return mean(a, a, same=True) + mean(b, b, same=True) - 2 * mean(a, b, same=False)


def tv(a: Points, b: Points, bins: int = 40) -> float:
    """Total variation of histograms over the range of ``b``; what lies outside counts in full."""
    edges = [np.linspace(low, high, bins + 1) for low, high in zip(b.min(0), b.max(0), strict=True)]
    one, two = (np.histogramdd(x, edges)[0] / len(x) for x in (a, b))
    return float(0.5 * (np.abs(one - two).sum() + 1 - one.sum()))


def all_metrics(
    a: Points, b: Points, log_density: Callable[[Points], np.ndarray], entropy: float
) -> dict[str, float]:
    """Every metric of samples ``a`` against exact draws ``b``.

    Args:
        entropy: the NLL of the truth under itself.
    """
    nll = -float(np.mean(log_density(a)))
    each = {"W1": w1(a, b), "W2": w2(a, b), "MMD": mmd(a, b), "TV": tv(a, b)}
    return {**each, "NLL": nll, "off": abs(nll - entropy)}


def mean_row(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Mean and spread over seeds of every metric."""
    return {
        n: [float(np.mean([r[n] for r in rows])), float(np.std([r[n] for r in rows]))]
        for n in NAMES
    }


def print_table(
    rows: dict[str, dict[str, list[float]]], paper: dict[str, tuple[float, ...]]
) -> None:
    """A row a method, a column a metric, and at the end of the row what the paper has for it."""
    width = max(map(len, rows))
    print(" " * width + "".join(f"{n:>17}" for n in NAMES) + "   in the paper")
    for name, row in rows.items():
        cells = "".join(
            f"{row[n][0]:8.{digits}f} +-{row[n][1]:6.{digits}f}"
            for n, digits in zip(NAMES, (3, 3, 4, 3, 3, 3), strict=True)
        )
        print(f"{name:<{width}}{cells}   " + " ".join(f"{v:.3f}" for v in paper.get(name, ())))
