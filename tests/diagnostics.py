"""What tests assert of errors: codes, and what messages quote, but not their wording."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

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
