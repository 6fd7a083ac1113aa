"""The characters of a class in a regular expression, as ranges of characters and of bytes.

A class is tested on every character with `re` itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

_SURROGATES = range(0xD800, 0xE000)


@lru_cache(maxsize=1)
def _all_characters() -> str:
    """All code points in order."""
    return "".join(map(chr, range(0x110000)))


def character_ranges(item: tuple[Any, Any], state: Any) -> tuple[tuple[int, int], ...]:
    """The first and last code point of every range that an item of a parsed pattern matches.

    Args:
        state: of the parser, with the flags.
    """
    if str(item[0]) == "LITERAL" and not state.flags & re.IGNORECASE:
        return tuple(_without_surrogates(item[1], item[1]))
    return _matched_ranges(repr(item), item, state)


_RANGES: dict[tuple[str, int], tuple[tuple[int, int], ...]] = {}


def _matched_ranges(key: str, item: tuple[Any, Any], state: Any) -> tuple[tuple[int, int], ...]:
    flags = int(state.flags)
    if (key, flags) not in _RANGES:
        parser, compiler = re._parser, re._compiler  # type: ignore[attr-defined]
        parsed = parser.SubPattern(parser.State(), [item])
        parsed.state.flags = flags
        runs = parser.SubPattern(parsed.state, [(parser.MAX_REPEAT, (1, parser.MAXREPEAT, parsed))])
        matches = compiler.compile(runs, flags).finditer(_all_characters())
        spans = [(m.start(), m.end() - 1) for m in matches]
        _RANGES[key, flags] = tuple(
            r for low, high in spans for r in _without_surrogates(low, high)
        )
    return _RANGES[key, flags]


def _without_surrogates(low: int, high: int) -> Iterator[tuple[int, int]]:
    for first, last in (
        (low, min(high, _SURROGATES.start - 1)),
        (max(low, _SURROGATES.stop), high),
    ):
        if first <= last:
            yield first, last


def utf8_ranges(low: int, high: int) -> Iterator[tuple[tuple[int, int], ...]]:
    """A range of code points as sequences of ranges of bytes in UTF-8."""
    for edge in (0x7F, 0x7FF, 0xFFFF):
        if low <= edge < high:
            yield from utf8_ranges(low, edge)
            yield from utf8_ranges(edge + 1, high)
            return
    first, last = chr(low).encode(), chr(high).encode()
    for place in range(1, len(first)):
        mask = (1 << 6 * place) - 1
        if low & ~mask == high & ~mask:
            continue
        if low & mask:
            yield from utf8_ranges(low, low | mask)
            yield from utf8_ranges((low | mask) + 1, high)
            return
        if high & mask != mask:
            yield from utf8_ranges(low, (high & ~mask) - 1)
            yield from utf8_ranges(high & ~mask, high)
            return
    yield tuple(zip(first, last, strict=True))
