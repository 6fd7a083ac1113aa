"""Offsets and positions, in all three units, with text that takes a different number of each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from poedsl.editor.positions import Encoding, Positions

TEXT = "# 🎲 naı\u0308ve\r\nx ~ Normal(0, 1)\n\u2028y\rz"


@pytest.mark.parametrize(("encoding", "column"), [("utf-8", 13), ("utf-16", 9), ("utf-32", 8)])
def test_columns_count_units(encoding: Encoding, column: int) -> None:
    positions = Positions(TEXT, encoding)
    end = TEXT.index("ve")
    assert positions.position(end) == (0, column)
    assert positions.offset(0, column) == end


def test_lines_end_as_the_protocol_says() -> None:
    positions = Positions(TEXT)
    assert positions.position(TEXT.index("x ~")) == (1, 0)
    assert positions.position(TEXT.index("\u2028")) == (2, 0)
    assert positions.position(TEXT.index("y")) == (2, 1)
    assert positions.position(TEXT.index("z")) == (3, 0)


def test_places_outside_are_the_nearest_ones() -> None:
    positions = Positions("ab\ncd")
    assert positions.offset(0, 99) == 2
    assert positions.offset(9, 0) == 5
    assert Positions("🎲b").offset(0, 1) == 0, "in the middle of a character"


@settings(max_examples=50)
@given(
    st.text(alphabet=st.sampled_from("ab\n\r🎲é\u0308\ud800\u2028")),
    st.sampled_from(["utf-8", "utf-16", "utf-32"]),
)
def test_offsets_survive(text: str, encoding: Encoding) -> None:
    positions = Positions(text, encoding)
    for offset in range(len(text) + 1):
        back = positions.offset(*positions.position(offset))
        in_break = text[offset - 1 : offset + 1] == "\r\n"
        assert back == (offset - 1 if in_break else offset)
