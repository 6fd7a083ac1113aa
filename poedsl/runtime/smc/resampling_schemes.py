"""Resampling: log weights and uniforms in, parent indices out, a row for each population.

All but `tophalf` are unbiased: a particle gets its share of the copies on average (Douc et al.
2005, who also order them by variance: multinomial, then residual, stratified and systematic).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Points of up to so many components are put in order by `along_kd_tree` where they are drawn.
FEW = 8


def effective_sample_size(log_weights: Float[Tensor, "*S n"]) -> Float[Tensor, "*S"]:
    """ESS of each population: (sum w)^2 / sum w^2; 0 where all weights are zero."""
    return ess_and_log_mean(log_weights)[0]


def ess_and_log_mean(
    log_weights: Float[Tensor, "*S n"],
) -> tuple[Float[Tensor, "*S"], Float[Tensor, "*S"]]:
    """ESS of each population, and the log of its mean weight."""
    highest = log_weights.double().amax(-1, keepdim=True)
    shares = (log_weights - highest).exp_()
    total = shares.sum(-1)
    size = total.square().div_(shares.square_().sum(-1)).nan_to_num_(nan=0.0)
    level = total.div_(log_weights.shape[-1]).log_().add_(highest[..., 0])
    return size, level.nan_to_num_(nan=-math.inf)


def systematic(
    log_weights: Float[Tensor, "S n"], uniform: Float[Tensor, "S #n"], count: int | None = None
) -> Int[Tensor, "S drawn"]:
    """One uniform for a population, evenly spread (Carpenter et al. 1999).

    Each particle gets ``count`` times its share of copies, rounded up or down; as many are drawn
    as there are particles where ``count`` is left out.
    """
    drawn = log_weights.shape[-1] if count is None else count
    points = (torch.arange(drawn, device=uniform.device) + uniform[:, :1]) / drawn
    return _inverse_cdf(log_weights, points)


def stratified(
    log_weights: Float[Tensor, "S n"], uniform: Float[Tensor, "S n"]
) -> Int[Tensor, "S n"]:
    """One uniform in each of n strata (Kitagawa 1996)."""
    n = log_weights.shape[-1]
    return _inverse_cdf(log_weights, (torch.arange(n, device=uniform.device) + uniform) / n)


def multinomial(
    log_weights: Float[Tensor, "S n"], uniform: Float[Tensor, "S n"]
) -> Int[Tensor, "S n"]:
    """Independent draws (Gordon et al. 1993)."""
    return _inverse_cdf(log_weights, uniform.sort(-1).values)


def residual(
    log_weights: Float[Tensor, "S n"], uniform: Float[Tensor, "S n"]
) -> Int[Tensor, "S n"]:
    """Whole copies first, the rest by independent draws (Liu and Chen 1998)."""
    n = log_weights.shape[-1]
    expected = n * torch.softmax(log_weights.double(), -1).nan_to_num(nan=0.0)
    whole = expected.floor().long()
    rows = []
    for shares, copies, draws in zip(expected - expected.floor(), whole, uniform, strict=True):
        sure = torch.repeat_interleave(torch.arange(n, device=draws.device), copies)
        rest = draws[: n - len(sure)].sort().values
        drawn = _inverse_cdf(shares.log()[None], rest[None])[0]
        rows.append(torch.cat([sure, drawn]).sort().values)
    return torch.stack(rows)


def tophalf(log_weights: Float[Tensor, "S n"], uniform: Float[Tensor, "S n"]) -> Int[Tensor, "S n"]:
    """Two copies of the better half and none of the other (Zhang et al., E.6); biased."""
    n = log_weights.shape[-1]
    order = log_weights.argsort(dim=-1, descending=True, stable=True)
    alive = torch.isfinite(log_weights).sum(-1).clamp(min=1, max=(n + 1) // 2)
    slots: Tensor = torch.arange(n, device=order.device) % alive[:, None]
    return order.gather(-1, slots).sort(-1).values


def along_kd_tree(points: Float[Tensor, "S n D"]) -> Int[Tensor, "S n"]:
    """Orders in which neighbours mostly lie near each other: the leaves of k-d trees.

    Copies of particles that are drawn along it come evenly from all regions, which leaves less of
    the noise of drawing where components are few (Gerber et al. 2019, for a Hilbert curve). A cell
    is halved at the middle of its widest axis, by ranks, whatever the units; every other cell is
    turned round.
    """
    islands, count, _ = points.shape
    levels = (count - 1).bit_length()
    size = 2**levels
    values, slots = points.sort(1)
    climbed = torch.zeros_like(slots)
    climbed[:, 1:] = (values.diff(dim=1) != 0).cumsum(1)
    ranks = torch.empty_like(slots).scatter_(1, slots, climbed)
    ranks = ranks.float()
    places = ranks / ranks.amax(1, keepdim=True).clamp(min=1)
    places = places[:, torch.arange(size, device=points.device) % count].flatten(0, 1)
    order = torch.arange(islands * size, device=points.device)
    for level in range(levels):
        cells = order.reshape(islands * 2**level, -1)
        inside = places[cells]
        axis = (inside.amax(1) - inside.amin(1)).argmax(-1)
        key = inside.gather(2, axis[:, None, None].expand(-1, cells.shape[1], 1))[..., 0]
        key.view(islands, 2**level, -1)[:, 1::2].neg_()
        order = cells.gather(1, key.argsort(dim=1, stable=True)).flatten()
    order %= size
    return order[order < count].view(islands, count)


def _inverse_cdf(
    log_weights: Float[Tensor, "S n"], points: Float[Tensor, "S drawn"]
) -> Int[Tensor, "S drawn"]:
    """The particles whose share of (0, 1) holds each point."""
    total = torch.softmax(log_weights.double(), -1).cumsum(-1)
    total = total / total[:, -1:]
    indices = torch.searchsorted(total, points.contiguous(), right=True)
    return indices.clamp(max=log_weights.shape[-1] - 1)


Scheme = Callable[[Tensor, Tensor], Tensor]
SCHEMES: dict[str, Scheme] = {
    "multinomial": multinomial,
    "systematic": systematic,
    "stratified": stratified,
    "residual": residual,
    "tophalf": tophalf,
}
