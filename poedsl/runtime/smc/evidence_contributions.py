"""What the particles of a population contributed to log Z, and the variance of their sum."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from poedsl.runtime.core.state import SavedState


@dataclass(frozen=True, slots=True)
class EvidenceContributions:
    """The sum over stages of what a particle and its descendants added to log Z, to first order.

    A stage takes normalised weights W to W', and with them log Z by the log of the mean of W' / W,
    of which W' - W is the share of each particle beyond its expectation. Descendants of different
    roots are independent, so that the sum of the squares of the roots' totals estimates the
    variance (Lee and Whiteley 2018; Chan and Lai 2013). Few roots have descendants after many
    resamplings; but where kernel steps make particles almost independent of their past, the
    genealogy is renewed: every particle becomes the root of a new line of descent (Olsson and Douc
    2019 use a fixed lag in place of a measured one). The variance is then the sum of those of the
    segments between renewals, and twice the covariances of neighbouring segments. Until the first
    renewal the roots are the eve indices.

    Attributes:
        roots: the slot, at the last renewal, of the root of each particle's line of descent.
        totals: of the descendants of each root, by its slot.
        earlier: of each slot, the total, in the segment before the last renewal, of the root of
            the particle that was in it at the renewal.
        variances: of log Z of each island, up to the last renewal.
    """

    roots: Int[Tensor, " L"]
    totals: Float[Tensor, "S n"]
    earlier: Float[Tensor, "S n"]
    variances: Float[Tensor, " S"]

    @classmethod
    def start(
        cls, slots: Int[Tensor, " L"], log_weights: Float[Tensor, "S n"]
    ) -> EvidenceContributions:
        """At the first stage, whose draws may have unequal weights."""
        weights = _normalised(log_weights)
        totals = weights - 1 / weights.shape[1]
        return cls(slots, totals, torch.zeros_like(totals), totals.new_zeros(len(totals)))

    def state(self) -> SavedState:
        return {
            "roots": self.roots,
            "totals": self.totals,
            "earlier": self.earlier,
            "variances": self.variances,
        }

    @classmethod
    def restored(cls, state: SavedState) -> EvidenceContributions:
        return cls(state["roots"], state["totals"], state["earlier"], state["variances"])

    def weighted(
        self, before: Float[Tensor, "S n"], after: Float[Tensor, "S n"]
    ) -> EvidenceContributions:
        """With what a change of the log weights contributes."""
        change = (_normalised(after) - _normalised(before)).flatten()
        totals = self.totals.flatten().scatter_add(0, self.roots, change)
        return replace(self, totals=totals.view_as(self.totals))

    def copied(self, index: Int[Tensor, " L"]) -> EvidenceContributions:
        """Of copies of the particles in the slots ``index``."""
        return replace(self, roots=self.roots[index])

    def renewed(self, slots: Int[Tensor, " L"]) -> EvidenceContributions:
        """From now on every particle is the root of its own line of descent."""
        earlier = self.totals.flatten()[self.roots].view_as(self.totals)
        return EvidenceContributions(
            slots, torch.zeros_like(earlier), earlier, self.relative_variances
        )

    @property
    def relative_variances(self) -> Float[Tensor, " S"]:
        """The variance of each island's log Z; covariances below zero do not count."""
        covariances = (self.earlier * self.totals).sum(1).clamp(min=0.0)
        return self.variances + self.totals.square().sum(1) + 2 * covariances

    @property
    def distinct_roots(self) -> int:
        """The least number of roots with descendants in an island."""
        islands, size = self.totals.shape
        counts = torch.bincount(self.roots, minlength=islands * size).view(islands, size)
        return int((counts > 0).sum(1).min())


def _normalised(log_weights: Float[Tensor, "S n"]) -> Float[Tensor, "S n"]:
    return log_weights.double().softmax(1).nan_to_num(nan=0.0)
