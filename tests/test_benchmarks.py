"""Benchmarks for machines that tests do not run on, at a size that they do."""

from __future__ import annotations

import pytest

from benchmarks import flux_speed


@pytest.mark.slow
def test_flux_speed_runs_small() -> None:
    rows = flux_speed.measure(flux_speed.SIZES["small"], "cpu")
    assert rows.keys() == {"insert", "layout"}
    # A move and a Langevin step at every stage but the last, the start, and two updates of `given`.
    assert rows["insert"]["calls"] == 7 + 2 * 7
    assert rows["layout"]["calls"] == 6 * 7
    assert all(row["outside"] < 1 for row in rows.values())
