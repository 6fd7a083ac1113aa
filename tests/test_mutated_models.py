"""Damaged folders of models are loaded as they are written, warned of, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutated_models import Originals, case


@pytest.mark.parametrize("numbers", [range(8), pytest.param(range(8, 32), marks=pytest.mark.slow)])
def test_nothing_in_a_damaged_folder_is_replaced_silently(numbers: range, tmp_path: Path) -> None:
    originals = Originals(tmp_path)
    found = [case(number, 0, originals) for number in numbers]
    assert [c for c in found if c.fault] == []
    assert {"loaded", "refused"} <= {c.outcome for c in found}
