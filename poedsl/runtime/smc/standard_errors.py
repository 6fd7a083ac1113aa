"""Standard errors of the log evidence: between islands, and within one from its genealogy."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

#: Of fewer families than this the weights say little about their spread.
FEWEST_FAMILIES = 10


def between(log_evidence: Float[Tensor, " S"]) -> float:
    """Jackknife error of the log of the mean of the islands' evidence (Efron and Stein 1981).

    Where islands differ little this is their spread over sqrt(S); where one of them carries most of
    the mean it is larger, as it should be.
    """
    islands = len(log_evidence)
    itself = torch.eye(islands, dtype=torch.bool, device=log_evidence.device)
    others = log_evidence.expand(islands, -1).masked_fill(itself, -math.inf)
    left_out = others.logsumexp(1) - math.log(islands - 1)
    return float((left_out.var(correction=0) * (islands - 1)).sqrt())


def within(
    log_evidence: Float[Tensor, " S"],
    log_weights: Float[Tensor, " L"],
    eve_indices: Int[Tensor, " L"],
    rounds: Int[Tensor, " S"],
) -> tuple[float | None, str]:
    """Error of the log of the mean of the islands' evidence, from each island's genealogy.

    Returns:
        The error, or None and why: fewer families than `FEWEST_FAMILIES`, counted by their weight,
        or an estimate of the variance, which is unbiased, below zero.
    """
    islands = len(log_evidence)
    shares = family_shares(log_weights.view(islands, -1), eve_indices.view(islands, -1))
    families = float((1 / shares.square().sum(1)).nan_to_num(nan=0.0).min())
    if families < FEWEST_FAMILIES:
        return None, f"the weight is with {families:.0f} families of particles, too few to tell"
    variances = relative_variance(shares, rounds)
    total = float((log_evidence.softmax(0).square() * variances).sum())
    if total < 0 and bool(rounds.any()):
        return None, "families are more alike than chance has it"
    return math.sqrt(max(total, 0.0)), ""


def family_shares(
    log_weights: Float[Tensor, "S n"], eve_indices: Int[Tensor, "S n"]
) -> Float[Tensor, "S n"]:
    """The share of each family in the weight of its island.

    Args:
        eve_indices: of each particle, the slot at the first stage of its root.
    """
    weights = log_weights.double().softmax(1)
    return torch.zeros_like(weights).scatter_add_(1, eve_indices % weights.shape[1], weights)


def relative_variance(
    shares: Float[Tensor, "S n"], rounds: Int[Tensor, " S"]
) -> Float[Tensor, " S"]:
    """Variance of each island's evidence over its square (Lee and Whiteley 2018, Eq. 8).

    Two particles with different eve indices are independent, except for the probability 1 / n that
    a multinomial resampling drew both from one parent. Before the first resampling, whatever its
    scheme, this is the variance of a mean of weights.

    Args:
        shares: of each family in the weight of its island.
        rounds: how many multinomial resamplings there were.
    """
    n = shares.shape[1]
    apart = 1 - shares.square().sum(1)
    return 1 - (n / (n - 1)) ** (rounds + 1) * apart
