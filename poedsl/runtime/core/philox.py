"""Philox4x64-10 on a device: the numbers of `numpy.random.Philox`, bit for bit.

The generator is a function of a key and of a counter of 256 bits (Salmon et al., SC 2011, section
3.2), so that all blocks of a stream are computed at once. Words of 64 bits are held as int64, whose
products and sums wrap as those of unsigned words do.
"""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

MULTIPLIERS = (0xD2E7470EE14C6C93, 0xCA5A826395121157)
#: What is added to the words of the key after each round.
WEYL = (0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B)
ROUNDS = 10
#: The low 32 bits of a word, and all of its bits.
LOW, ALL = 2**32 - 1, 2**64 - 1


def philox(
    keys: list[int], counter: tuple[int, int, int], count: int, device: torch.device
) -> Int[Tensor, "S {count}"]:
    """Integers of 32 bits from the start of a stream, a row for each key of 128 bits.

    Args:
        counter: the words of the counter after the first, which numbers the blocks from 1, as in
            ``numpy.random.Philox``.
        count: how many integers each row has; a block gives eight.
    """
    halves = [[_signed(key & ALL), _signed(key >> 64)] for key in keys]
    key = torch.tensor(halves, dtype=torch.int64, device=device)
    low_key, high_key = key[:, :1], key[:, 1:]
    blocks = -(-count // 8)
    x0 = torch.arange(1, blocks + 1, dtype=torch.int64, device=device)[None]
    x1, x2, x3 = torch.tensor(
        [_signed(word) for word in counter], dtype=torch.int64, device=device
    ).unbind()
    for _ in range(ROUNDS):
        high, low = _product(MULTIPLIERS[0], x0)
        other_high, other_low = _product(MULTIPLIERS[1], x2)
        x0, x1, x2, x3 = other_high ^ x1 ^ low_key, other_low, high ^ x3 ^ high_key, low
        low_key, high_key = low_key + _signed(WEYL[0]), high_key + _signed(WEYL[1])
    words = torch.stack([x.expand(len(keys), blocks) for x in (x0, x1, x2, x3)], -1)
    return words.view(len(keys), -1).view(torch.int32)[:, :count]


def _signed(word: int) -> int:
    """The int64 of the same 64 bits."""
    return word - 2**64 if word >= 2**63 else word


def _product(multiplier: int, x: Int[Tensor, "*shape"]) -> tuple[Tensor, Tensor]:
    """The high and the low 64 bits of a product of unsigned words."""
    m_low, m_high = multiplier & LOW, multiplier >> 32
    x_low, x_high = x & LOW, (x >> 32) & LOW
    low = m_low * x_low
    first, second = m_low * x_high, m_high * x_low
    carry = ((low >> 32) & LOW) + (first & LOW) + (second & LOW)
    high = m_high * x_high + ((first >> 32) & LOW) + ((second >> 32) & LOW) + (carry >> 32)
    return high, x * _signed(multiplier)
