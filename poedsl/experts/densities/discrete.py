"""Log densities of whole numbers, in the parametrisations of `torch.distributions`.

They broadcast the data against parameters with a row for each particle, keep their gradients where
a probability is 0 or 1 and the data have the other outcome, and do not leave the range of numbers
for log odds of any size.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from poedsl.catalog.parameter_ranges import SHARES_ROUNDING


def _log_choose(total: Tensor, k: Tensor) -> Tensor:
    return (total + 1).lgamma() - (k + 1).lgamma() - (total - k + 1).lgamma()


def _times_log(count: Tensor, probability: Tensor, log: Callable[[Tensor], Tensor]) -> Tensor:
    """A count times the log of p or 1 - p, 0 where nothing is counted; nan where p is none."""
    logs = log(torch.where(count > 0, probability, 0.5)) * count
    logs = torch.where(count > 0, logs, 0.0)
    return torch.where((probability >= 0) & (probability <= 1), logs, math.nan)


def _log_complement(probability: Tensor) -> Tensor:
    return torch.log1p(-probability)


def _log_chances(
    successes: Tensor, failures: Tensor, probs: Tensor | None, logits: Tensor | None
) -> Tensor:
    """The log probability of one sequence with these numbers of successes and failures."""
    if logits is not None:
        return successes * F.logsigmoid(logits) + failures * F.logsigmoid(-logits)
    assert probs is not None
    failed = _times_log(failures, probs, _log_complement)
    return _times_log(successes, probs, torch.log) + failed


def bernoulli(x: Tensor, probs: Tensor | None = None, logits: Tensor | None = None) -> Tensor:
    if logits is not None:
        return F.logsigmoid((2 * x - 1) * logits)
    return _log_chances(x, 1 - x, probs, None)


def binomial(
    x: Tensor, total_count: Tensor, probs: Tensor | None = None, logits: Tensor | None = None
) -> Tensor:
    return _log_choose(total_count, x) + _log_chances(x, total_count - x, probs, logits)


def poisson(x: Tensor, rate: Tensor) -> Tensor:
    logs = torch.where(x > 0, rate, 1.0).log() * x - rate - (x + 1).lgamma()
    return torch.where(rate >= 0, logs, math.nan)


def negative_binomial(
    x: Tensor, total_count: Tensor, probs: Tensor | None = None, logits: Tensor | None = None
) -> Tensor:
    total = torch.where(total_count > 0, total_count, math.nan)
    ways = (total + x).lgamma() - (x + 1).lgamma() - total.lgamma()
    return ways + _log_chances(x, total, probs, logits)


def geometric(x: Tensor, probs: Tensor | None = None, logits: Tensor | None = None) -> Tensor:
    return _log_chances(torch.ones_like(x), x, probs, logits)


def beta_binomial(
    x: Tensor, concentration1: Tensor, concentration0: Tensor, total_count: Tensor
) -> Tensor:
    a, b = (torch.where(c > 0, c, math.nan) for c in (concentration1, concentration0))
    drawn = _log_beta(x + a, total_count - x + b)
    return _log_choose(total_count, x) + drawn - _log_beta(a, b)


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return a.lgamma() + b.lgamma() - (a + b).lgamma()


def _log_shares(probs: Tensor | None, logits: Tensor | None) -> Tensor:
    """The logarithms of shares in the last size; nan where they do not sum to one."""
    if logits is not None:
        return logits.log_softmax(-1)
    assert probs is not None
    proper = (probs >= 0).all(-1) & ((probs.sum(-1) - 1).abs() < SHARES_ROUNDING)
    return torch.where(proper[..., None], probs, math.nan).log()


def categorical(x: Tensor, probs: Tensor | None = None, logits: Tensor | None = None) -> Tensor:
    logs = _log_shares(probs, logits)
    at = x.long().expand(max(len(x), len(logs)), *x.shape[1:])
    return logs.expand(*at.shape, logs.shape[-1]).gather(-1, at[..., None])[..., 0]


def multinomial(
    x: Tensor, total_count: Tensor, probs: Tensor | None = None, logits: Tensor | None = None
) -> Tensor:
    logs = torch.where(x > 0, _log_shares(probs, logits), 0.0)
    ways = (total_count + 1).lgamma() - (x + 1).lgamma().sum(-1)
    return ways + (x * logs).sum(-1)


DISCRETE: dict[str, Callable[..., Tensor]] = {
    "Bernoulli": bernoulli,
    "Binomial": binomial,
    "Poisson": poisson,
    "NegativeBinomial": negative_binomial,
    "Geometric": geometric,
    "Categorical": categorical,
    "Multinomial": multinomial,
    "BetaBinomial": beta_binomial,
}
