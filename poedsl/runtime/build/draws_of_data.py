"""Data drawn again from their densities, given values of the variables."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.plan.terms import Apply, Term, mixture_parts
from poedsl.experts.densities.pyro_densities import MATRICES, distribution, proper_matrices
from poedsl.runtime.build.densities import Densities, parameters
from poedsl.runtime.terms.evaluate import Environment


def draw_data(
    term: Term, shape: tuple[int, ...], densities: Densities, env: Environment, count: int
) -> Float[Tensor, "count *shape"]:
    """A draw of the data for each row of values, by torch's own generator.

    They are nan where a parameter of the row is.

    Args:
        term: a density or a mixture, of which each event has a component of its own.
        shape: of the data. count: the rows of values.

    Raises:
        ValueError: the density cannot be drawn from at these parameters.
    """
    assert isinstance(term, Apply)
    if term.function == "mixture":
        return _mixture(term, shape, densities, env, count)
    rows = {name: value.double() for name, value in parameters(term, env, (count, *shape)).items()}
    missing = torch.zeros(count, dtype=torch.bool, device=env.device)
    for name, value in rows.items():
        absent = ~value.isfinite().reshape(len(value), -1).all(1)
        missing = missing | absent
        if bool(absent.any()):
            placeholder = value.nan_to_num(nan=0.5, posinf=0.5, neginf=0.5)
            rows[name] = torch.where(absent.view(-1, *(1,) * (value.dim() - 1)), placeholder, value)
    arguments, valid = proper_matrices(rows)
    arguments = {
        k: v if k in MATRICES else v.expand(count, *v.shape[1:]) for k, v in arguments.items()
    }
    try:
        if term.function == "Multinomial":
            points = _multinomial(**arguments)
        else:
            points = distribution(term.function, arguments).sample()
    except (ValueError, RuntimeError, NotImplementedError) as error:
        reason = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise ValueError(f"`{term.function}` cannot be drawn from: {reason}") from error
    if valid.dim():
        missing = missing | ~valid.reshape(len(valid), -1).all(1)
    points = points.expand(count, *shape)
    return torch.where(missing.view(-1, *(1,) * len(shape)), math.nan, points.double())


def _multinomial(
    total_count: Float[Tensor, "*events"],
    probs: Float[Tensor, "*events K"] | None = None,
    logits: Float[Tensor, "*events K"] | None = None,
) -> Float[Tensor, "*events K"]:
    """Draws with a number of trials for each event, which torch takes for all events alone."""
    most = int(total_count.max())
    outcomes = torch.distributions.OneHotCategorical(probs, logits, validate_args=False)
    drawn: Tensor = outcomes.sample(torch.Size([most]))  # type: ignore[no-untyped-call]
    trial = torch.arange(most, device=drawn.device).view(-1, *(1,) * (drawn.dim() - 2))
    counts: Tensor = (drawn * (trial < total_count)[..., None]).sum(0)
    return counts


def _mixture(
    term: Apply, shape: tuple[int, ...], densities: Densities, env: Environment, count: int
) -> Float[Tensor, "count *shape"]:
    parts = [draw_data(part, shape, densities, env, count) for part in term.args[1::2]]
    inner = [part for part in mixture_parts(term) if isinstance(part, Apply)]
    rank = max(SIGNATURES[part.function].event_rank for part in inner)
    events = shape[: len(shape) - rank]
    shares = torch.tensor([densities.number(w) for w in term.args[::2]], device=env.device)
    chosen = torch.multinomial(shares, count * math.prod(events), replacement=True)
    chosen = chosen.view(count, *events, *(1,) * rank).expand(count, *shape)
    return torch.stack(parts).gather(0, chosen[None])[0]
