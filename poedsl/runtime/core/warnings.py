"""What a run warns of: values with a code, which `poe explain` describes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from poedsl.experts.loading.load_warnings import collected
from poedsl.runtime.core.state import SavedState


@dataclass(frozen=True, slots=True)
class RunWarning:
    """One warning.

    Attributes:
        code: what kind it is of; decisions rest on it, never on the text.
        message: one sentence, which names the factor and its place where there is one.
        data: what the message says, by name, in values that JSON holds: ``factor`` and ``place``
            (``factors``, a list of such pairs, where there are several), ``stage``, ``particles``
            that are concerned ``of`` all, ``option``, ``input``, ``variable``, and numbers.
    """

    code: str
    message: str
    data: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.message

    def as_json(self) -> dict[str, Any]:
        """Its fields by name, with None for numbers that are not finite, which JSON has not."""
        data = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self.data.items()
        }
        return {"code": self.code, "message": self.message, "data": data}


def of_factors(factors: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The data of a warning about factors: each one's name and place."""
    named = [{"factor": name, "place": place} for name, place in factors]
    return named[0] if len(named) == 1 else {"factors": named}


@dataclass(frozen=True, slots=True)
class WarningLog:
    """The warnings of a run, in the order in which they came up."""

    entries: list[RunWarning] = field(default_factory=list)
    _reported: set[tuple[str, str]] = field(default_factory=set)

    def add(self, code: str, message: str, once: str | None = None, **data: Any) -> None:
        """Add a warning; of those of one code with the same ``once`` only the first is kept.

        Args:
            data: as `RunWarning` describes it.
        """
        if once is not None and (code, once) in self._reported:
            return
        self._reported.add((code, once or message))
        self.entries.append(RunWarning(code, message, data))

    @contextmanager
    def of_loading(self) -> Iterator[None]:
        """Add what is warned of while models are loaded."""
        with collected() as loading_warnings:
            yield
        for w in loading_warnings:
            self.add(w.code, w.message, once=w.message, **w.data)

    def state(self) -> SavedState:
        return {
            "entries": [[w.code, w.message, dict(w.data)] for w in self.entries],
            "reported": sorted(map(list, self._reported)),
        }

    def restore(self, state: SavedState) -> None:
        """The warnings of a `state` in the place of these."""
        self.entries[:] = [RunWarning(*entry) for entry in state["entries"]]
        self._reported.clear()
        self._reported.update((code, once) for code, once in state["reported"])

    def __contains__(self, code: object) -> bool:
        return any(w.code == code for w in self.entries)

    def __iter__(self) -> Iterator[RunWarning]:
        return iter(self.entries)
