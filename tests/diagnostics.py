"""What tests assert of errors: codes, and what messages quote, but not their wording."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

import poedsl
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.core.warnings import RunWarning


@contextmanager
def refused(*codes: str) -> Iterator[list[Diagnostic]]:
    """Expect an error with one diagnostic per code; afterwards they are in the list."""
    found: list[Diagnostic] = []
    with pytest.raises(PoeError) as caught:
        yield found
    found += caught.value.diagnostics
    assert [d.code for d in found] == list(codes), str(caught.value)


def quoted(found: Diagnostic | RunWarning) -> set[str]:
    """Names, values and terms of a program that the message and the notes quote."""
    notes = found.notes if isinstance(found, Diagnostic) else ()
    return set(re.findall(r"`([^`]*)`", "\n".join([found.message, *notes])))


def numbers(text: str) -> list[float]:
    """The numbers in a text, in their order; those within names are none."""
    return [float(n) for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w.]\w)", text)]


def warning_data(result: poedsl.Result, code: str) -> list[Mapping[str, Any]]:
    """The data of a result's warnings of one code, or of the reasons of its evidence."""
    return [w.data for w in (*result.warnings, *result.evidence.reasons) if w.code == code]
