"""Wording that messages share."""

from __future__ import annotations


def counted_noun(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
