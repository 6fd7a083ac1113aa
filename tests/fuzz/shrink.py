"""Delta debugging: the shortest text that still fails, or nearly."""

from __future__ import annotations

import re
import time
from collections.abc import Callable


def shrink(text: str, fails: Callable[[str], bool], seconds: float = 30) -> str:
    """Leave out lines, then words, then characters, as long as the rest fails."""
    end = time.monotonic() + seconds
    for pattern in (r"[^\n]*\n|[^\n]+", r"\w+|\s+|.", r"."):
        parts = re.findall(pattern, text, re.DOTALL if pattern != r"[^\n]*\n|[^\n]+" else 0)
        text = "".join(_shorter(parts, fails, end))
    return text


def _shorter(parts: list[str], fails: Callable[[str], bool], end: float) -> list[str]:
    size = max(len(parts) // 2, 1)
    while parts:
        at = 0
        while at < len(parts):
            if time.monotonic() > end:
                return parts
            rest = parts[:at] + parts[at + size :]
            if fails("".join(rest)):
                parts = rest
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return parts
