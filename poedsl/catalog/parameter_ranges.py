"""What keeps the values of a density's parameters from their range, by the parameter's role."""

from __future__ import annotations

from collections.abc import Sequence

from poedsl.catalog.signatures import Role

#: How far from one the sum of shares may be.
SHARES_ROUNDING = 1e-4


def out_of_range(role: Role, least: float, most: float, whole: bool) -> str:
    """What keeps numbers from the range of a role; empty where nothing does.

    Args:
        least, most: of the numbers. whole: whether all are whole.
    """
    if role == "positive" and least <= 0:
        return f"is above 0, and this is {least:g}"
    if role == "probability" and not 0 <= least <= most <= 1:
        return f"is from 0 to 1, and this is {least if least < 0 else most:g}"
    if role == "shares" and least < 0:
        return f"is from 0 on, and this is {least:g}"
    if role == "count" and (least < 0 or not whole):
        return f"is a whole number from 0 on, and this is {least:g}"
    return ""


def no_shares(sums: Sequence[float]) -> str:
    """What keeps rows from being shares, by their sums; empty where nothing does."""
    off = [s for s in sums if not abs(s - 1) < SHARES_ROUNDING]
    if not off:
        return ""
    return f"sums to one, and this sums to {off[0]:g}; `logits = log(...)` takes any weights"
