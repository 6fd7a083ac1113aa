"""Gibbs steps on symbols: blocks of a prefix drawn anew given the rest."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from poedsl.runtime.targets.prefixes import PrefixEvaluation, SequenceTarget, drawn


@dataclass(frozen=True, slots=True)
class Gibbs:
    """Draws a block of symbols anew, given the rest.

    They are proposed from the products of conditionals, one after another, and accepted by what
    that makes of the symbols after them (Metropolis within Gibbs; exactly invariant).
    """

    block: int

    def uniforms(self, length: int) -> int:
        """One for each symbol of the block, and one to accept by."""
        return self._size(length) + 1

    def step(
        self,
        target: SequenceTarget,
        x: Int[Tensor, "L n"],
        length: int,
        uniform: Float[Tensor, "L u"],
        shared: float,
    ) -> tuple[Int[Tensor, "L n"], PrefixEvaluation, Float[Tensor, " L"]]:
        """A block that begins at a place that is common to all particles."""
        block = self._size(length)
        place = int(shared * (length - block + 1))
        before = target.begin(len(x))
        if place:
            before, _ = target.read(before, 0, x[:, :place])
        current, after = target.read(before, place, x[:, place:length])
        old = _weight(
            torch.cat([before.following[:, None], after[:, :-1]], 1), x[:, place:length], block
        )
        y, evaluation, gain = x.clone(), before, torch.zeros_like(old)
        for k in range(block):
            y[:, place + k], normaliser = drawn(evaluation.following, uniform[:, k])
            gain = gain + normaliser
            evaluation, _ = target.read(evaluation, place + k, y[:, place + k, None])
        tail = y[:, place + block : length]
        if tail.shape[1]:
            following = evaluation.following[:, None]
            evaluation, after = target.read(evaluation, place + block, tail)
            gain = gain + _weight(torch.cat([following, after[:, :-1]], 1), tail, 0)
        chance = (gain - old).clamp(max=0.0).exp().nan_to_num(nan=0.0)
        accept = accepted(chance, uniform[:, -1])
        return torch.where(accept[:, None], y, x), evaluation.where(accept, current), chance

    def _size(self, length: int) -> int:
        return min(self.block, length)


def accepted(chance: Float[Tensor, " L"], uniform: Float[Tensor, " L"]) -> Bool[Tensor, " L"]:
    """Which proposals are taken."""
    return uniform < chance


def _weight(
    following: Float[Tensor, "L m V"], symbols: Int[Tensor, "L m"], block: int
) -> Float[Tensor, " L"]:
    """Log of the target over that of the proposal: normalisers of the first ``block`` symbols,
    conditionals of those after them.
    """
    logs = following.double()
    chosen = logs.gather(2, symbols[..., None])[..., 0]
    return logs[:, :block].logsumexp(-1).sum(1) + chosen[:, block:].sum(1)
