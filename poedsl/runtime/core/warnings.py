"""What a run warns of: values with a code, which `poe explain` describes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from poedsl.experts.loading.load_warnings import collected
from poedsl.runtime.core.state import SavedState


@dataclass(frozen=True, slots=True)
class RunWarning:
    """One warning.

    Attributes:
        code: what kind it is of; decisions rest on it, never on the text.
        message: one sentence, which names the factor and its place where there is one.
    """

    code: str
    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class WarningLog:
    """The warnings of a run, in the order in which they came up."""

    entries: list[RunWarning] = field(default_factory=list)
    _reported: set[tuple[str, str]] = field(default_factory=set)

    def add(self, code: str, message: str, once: str | None = None) -> None:
        """Add a warning; of those of one code with the same ``once`` only the first is kept."""
        if once is not None and (code, once) in self._reported:
            return
        self._reported.add((code, once or message))
        self.entries.append(RunWarning(code, message))

    @contextmanager
    def of_loading(self) -> Iterator[None]:
        """Add what is warned of while models are loaded."""
        with collected() as found:
            yield
        for code, message in found:
            self.add(code, message, once=message)

    def state(self) -> SavedState:
        return {
            "entries": [[w.code, w.message] for w in self.entries],
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
