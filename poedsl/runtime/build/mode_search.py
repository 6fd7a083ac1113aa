"""Local maxima of a log density, and the Gaussians around them (Laplace's approximation)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

#: From a point x (L, D) to its log density.
LogDensity = Callable[[Tensor], Tensor]

#: Steps of the search, and how much a step still promises where it ends.
STEPS, TOLERANCE = 200, 1e-6
#: It ends for all so many steps after half of them came to rest: the others are far out.
PATIENCE = 50
#: There are fewer starts where their inverse Hessians have more numbers together.
MOST_SEARCHED = 8_000_000
#: Steps of Newton's method after it.
POLISH = 2
#: A step is taken if the density rises by this share of what the slope promises; else shortened.
SUFFICIENT, SHORTER = 1e-4, 0.3
#: The longest step, in units of the coordinates, or as a share of the distance from zero.
LONGEST = 2.0
#: The steps of differences, in standard deviations: a curvature is not needed precisely.
STEP = 0.01
#: Second derivatives are computed at no more ends than have so many components together, those with
#: the highest density, but at least at some; and so many points are evaluated at once.
MOST_POINTS, FEWEST, AT_ONCE = 2048, 8, 1024
#: Maxima are kept up to this number, those with the most mass, and above this share of the largest;
#: fewer where their covariances have more numbers together.
MOST, LEAST_MASS, MOST_NUMBERS = 256, 1e-4, 40_000
#: Rounds of searches around modes, how far from them these start, in units of the coordinates, and
#: the gain in the logarithm of the mass for which there is another.
ROUNDS, REACHES, GAIN = 12, (1.0, 0.3, 3.0), 0.003
#: Starts of a round, beside two for each mode.
AROUND = 96
#: Ends of the search are one if they lie nearer, in standard deviations as far as it knows them;
#: so are maxima, in those of the one with the larger mass.
ALIKE, APART = 0.05, 1.0
#: A Gaussian that is wider than this in some direction says little.
WIDEST = 30.0
#: So many standard deviations out a Gaussian falls by 2; where the density falls by less or more
#: than this, as around a kink, the curvature at the mode says nothing about its width.
OUT, FALLS = 2.0, (0.3, 20.0)


@dataclass(frozen=True, slots=True)
class Modes:
    """Gaussians around local maxima.

    Attributes:
        loc: the maxima.
        factor: Cholesky factors of the covariances.
        log_mass: of the Gaussians with the height of the density.
        maxima: how many there were, those with little mass included.
        complete: whether all with much mass are here.
    """

    loc: Float[Tensor, "M D"]
    factor: Float[Tensor, "M D D"]
    log_mass: Float[Tensor, " M"]
    maxima: int = 1
    complete: bool = True


def modes(
    log_density: LogDensity,
    start: Float[Tensor, "L D"],
    share: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Modes | None:
    """The maxima that a search from some points ends in, the one with the most mass first; None if
    the density is smooth at none.

    Args:
        share: of the mass of Gaussians, by their means and Cholesky factors, what counts.
    """
    if not len(start):
        return None
    most = max(FEWEST, MOST_SEARCHED // start.shape[1] ** 2)
    start = start[:: max(1, math.ceil(len(start) / most))]
    ends, inverse, converged = ascended(log_density, start)
    order = log_density(ends).where(converged, -math.inf).argsort(descending=True)
    order = order[: int(converged.sum())]
    width = ends.shape[1]
    examined = max(FEWEST, MOST_POINTS // width)
    kept = _distinct(ends, inverse, order)[:examined]
    if not kept:
        return None
    ends, spread = ends[kept], inverse[kept].diagonal(dim1=1, dim2=2).clamp(min=0).sqrt()
    # Twice, since the search may know little of the curvature where it ends.
    rough = -hessian(log_density, ends, STEP * spread)
    spread = rough.diagonal(dim1=1, dim2=2).rsqrt().where(rough.isfinite().all(-1), spread)
    precision = -hessian(log_density, ends, STEP * spread.where(spread > 0, 1.0))
    values, vectors = _eigh(precision)
    proper = values[:, 0] > WIDEST**-2
    if not bool(proper.any()):
        return None
    ends, values, vectors = ends[proper], values[proper], vectors[proper]
    covariance = (vectors / values[:, None]) @ vectors.mT
    for _ in range(POLISH):
        step = (covariance @ _with_gradient(log_density, ends)[1][:, :, None])[:, :, 0]
        ends = ends + step.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    factor, failed = torch.linalg.cholesky_ex(covariance)
    constant = 0.5 * width * math.log(2 * math.pi)
    log_mass = log_density(ends) + constant - 0.5 * values.log().sum(-1)
    proper = (failed == 0) & log_mass.isfinite() & _curved_alike(log_density, ends, factor)
    log_mass = log_mass.where(proper, -math.inf)
    if share is not None:
        log_mass = log_mass + share(ends, factor).log()
    identity = torch.eye(width, dtype=ends.dtype, device=ends.device)
    whitening = torch.linalg.inv(factor.where(proper[:, None, None], identity))
    most = min(MOST, max(FEWEST, MOST_NUMBERS // width**2), examined - 1)
    chosen: list[int] = []
    order = log_mass.argsort(descending=True)
    for i in order[log_mass[order] > -math.inf].tolist():
        gaps = whitening[chosen] @ (ends[i] - ends[chosen])[:, :, None]
        if bool((gaps.norm(dim=(1, 2)) > APART).all()):
            chosen.append(i)
    heavy = [i for i in chosen if log_mass[i] > log_mass.max() + math.log(LEAST_MASS)]
    if not heavy:
        return None
    heavy, count = heavy[:most], len(heavy)
    return Modes(ends[heavy], factor[heavy], log_mass[heavy], len(chosen), complete=count <= most)


def with_neighbours(
    log_density: LogDensity,
    first: Modes,
    normals: Float[Tensor, "L D"],
    share: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Modes | None:
    """Modes, and those that a search from around them ends in, as long as that gains mass: where
    there are many, none of the first may be among the best. None if there are too many.

    Args:
        normals: standard normal numbers, which say where searches start.
    """
    best = first
    for number in range(ROUNDS):
        if best.maxima == 1 or not best.complete:
            break
        count = min(AROUND + 2 * len(best.loc), len(normals))
        index = torch.arange(count, device=normals.device)
        reaches = normals.new_tensor(REACHES)[index // len(best.loc) % len(REACHES)]
        offsets = reaches[:, None] * normals.roll(-number * count, 0)[:count]
        around = best.loc[index % len(best.loc)] + offsets
        more = modes(log_density, torch.cat([best.loc, around]), share)
        if more is None or more.log_mass.logsumexp(0) < best.log_mass.logsumexp(0) + GAIN:
            return best
        best = more
    return best if best.maxima == 1 else None


def ascended(
    log_density: LogDensity, start: Float[Tensor, "L D"]
) -> tuple[Float[Tensor, "L D"], Float[Tensor, "L D D"], Bool[Tensor, " L"]]:
    """Where BFGS leads from each point, the inverse of the Hessian there as far as it is known, and
    whether the search came to rest (Nocedal and Wright 2006).
    """
    x = start.clone()
    value, gradient = _with_gradient(log_density, x)
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    inverse = identity.repeat(len(x), 1, 1)
    length = torch.ones_like(value)
    searching = value.isfinite() & gradient.isfinite().all(-1)
    converged = searching & (gradient == 0).all(-1)
    end = STEPS
    for number in range(STEPS):
        rows = (searching & ~converged).nonzero().flatten()
        if not len(rows) or number == end:
            break
        g, h, a = gradient[rows], inverse[rows], length[rows]
        direction = (h @ g[:, :, None])[:, :, 0]
        slope = (direction * g).sum(-1)
        ahead = slope > 0
        h[~ahead] = identity
        direction = torch.where(ahead[:, None], direction, g)
        slope = torch.where(ahead, slope, g.square().sum(-1))
        reach = LONGEST * x[rows].norm(dim=-1).clamp(min=1.0)
        step_length = torch.minimum(a, reach / direction.norm(dim=-1).clamp(min=1e-300))
        step = step_length[:, None] * direction
        new_value, new_gradient = _with_gradient(log_density, x[rows] + step)
        gain = new_value - value[rows]
        rounding = 4 * torch.finfo(x.dtype).eps * value[rows].abs()
        taken = gain >= SUFFICIENT * step_length * slope - rounding
        taken = taken & new_gradient.isfinite().all(-1)
        change = g - new_gradient
        curved = (step * change).sum(-1)
        updated = taken & (curved > 1e-10 * step.norm(dim=-1) * change.norm(dim=-1))
        h = _bfgs(h, step, change, torch.where(updated, 1 / curved, 0.0))
        moved = rows[taken]
        x[moved] = (x[rows] + step)[taken]
        value[moved], gradient[moved] = new_value[taken], new_gradient[taken]
        inverse[rows] = h
        length[rows] = torch.where(taken, 1.0, step_length * SHORTER)
        remaining = (gradient[rows] * (h @ gradient[rows][:, :, None])[:, :, 0]).sum(-1)
        at_rest = updated & (remaining < TOLERANCE + rounding)
        searching[rows] = at_rest | (step_length > 1e-12)
        converged[rows] = at_rest
        if 2 * int(converged.sum()) > len(x):
            end = min(end, number + PATIENCE)
    return x, inverse, converged


def hessian(
    log_density: LogDensity, x: Float[Tensor, "M D"], step: Float[Tensor, "M D"]
) -> Float[Tensor, "M D D"]:
    """Second derivatives, from differences of gradients at steps to both sides."""
    count, width = x.shape
    shifts = torch.diag_embed(step)
    points = torch.cat([x[:, None] + shifts, x[:, None] - shifts]).reshape(-1, width)
    _, gradient = _with_gradient(log_density, points)
    above, below = gradient.view(2, count, width, width)
    rows = (above - below) / (2 * step[:, :, None])
    symmetric: Tensor = 0.5 * (rows + rows.mT)
    return symmetric


def _curved_alike(
    log_density: LogDensity, loc: Float[Tensor, "M D"], factor: Float[Tensor, "M D D"]
) -> Bool[Tensor, " M"]:
    """Whether the density falls as a Gaussian does at some distance, on the mean of both sides."""
    steps = OUT * factor.mT
    with torch.no_grad():
        there = log_density(torch.cat([loc[:, None] + steps, loc[:, None] - steps]).flatten(0, 1))
        fall = log_density(loc)[:, None] - there.view(2, *steps.shape[:2]).mean(0)
    return ((fall > FALLS[0]) & (fall < FALLS[1])).all(-1)


def _eigh(matrices: Float[Tensor, "L D D"]) -> tuple[Float[Tensor, "L D"], Float[Tensor, "L D D"]]:
    """Eigenvalues and eigenvectors; eigenvalues of zero for matrices of which there are none."""
    finite = matrices.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    try:
        together: tuple[Tensor, Tensor] = torch.linalg.eigh(finite)
        return together
    except RuntimeError:  # of some matrix with entries of very different sizes
        pass
    size = finite.abs().amax((1, 2), keepdim=True)
    scaled = finite / size.where(size > 0, 1.0)
    values, vectors = torch.zeros_like(finite[:, 0]), torch.zeros_like(finite)
    for i, matrix in enumerate(scaled):
        try:
            values[i], vectors[i] = torch.linalg.eigh(matrix)
        except RuntimeError:
            continue
    return values * size[:, :, 0], vectors


def _bfgs(
    inverse: Float[Tensor, "L D D"],
    step: Float[Tensor, "L D"],
    change: Float[Tensor, "L D"],
    rho: Float[Tensor, " L"],
) -> Float[Tensor, "L D D"]:
    """The inverse of a Hessian with which a step explains the change of the gradient.

    Args:
        rho: the inverse of their inner product; 0 leaves the Hessian as it is.
    """
    image = (inverse @ change[:, :, None])[:, :, 0]
    scale = rho + rho.square() * (change * image).sum(-1)
    left = torch.stack([scale[:, None] * step - rho[:, None] * image, -rho[:, None] * step], 2)
    return torch.baddbmm(inverse, left, torch.stack([step, image], 1))


def _with_gradient(
    log_density: LogDensity, x: Float[Tensor, "L D"]
) -> tuple[Float[Tensor, " L"], Float[Tensor, "L D"]]:
    values: list[Tensor] = []
    gradients: list[Tensor] = []
    with torch.enable_grad():
        for part in torch.split(x, AT_ONCE):
            point = part.detach().requires_grad_()
            value = log_density(point)
            gradients += torch.autograd.grad(value.sum(), point)
            values.append(value.detach())
    return torch.cat(values), torch.cat(gradients)


def _distinct(
    x: Float[Tensor, "L D"], inverse: Float[Tensor, "L D D"], order: Int[Tensor, " C"]
) -> list[int]:
    """The first of points that are alike in the metrics of the search, in some order."""
    factor, failed = torch.linalg.cholesky_ex(inverse)
    identity = torch.eye(x.shape[1], dtype=x.dtype, device=x.device).expand_as(factor)
    factor = factor.where((failed == 0)[:, None, None], identity)
    whitening = torch.linalg.solve_triangular(factor, identity, upper=False)
    kept: list[int] = []
    for i in order.tolist():
        gaps = x[i] - x[kept]
        distances = (whitening[kept] @ gaps[:, :, None]).norm(dim=(1, 2))
        if bool((distances > ALIKE).all()):
            kept.append(i)
        if len(kept) == 4 * MOST:
            break
    return kept
