"""Progress of a run: a line that is redrawn on a terminal, and elsewhere a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType

from poedsl.runtime.smc.records import StageRecord

#: Seconds between lines where there is no terminal.
EVERY = 30.0
#: Rewards of particles that violate a condition are recorded as less than this.
VIOLATED = -1e100


class Progress:
    """A line on standard error, redrawn at every stage, where that is a terminal; elsewhere a line
    every 30 seconds, so that short runs write none.

    Args:
        shown: whether it is shown at all.
        clock: the time in seconds.
    """

    def __init__(self, *, shown: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(file=sys.stderr)
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )
        self.task = self.bar.add_task("annealing", total=None, facts="")
        self.done, self.clock = 0, clock
        self._lines = shown and not console.is_terminal
        self._start = self._last = clock()

    def __enter__(self) -> Progress:
        self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.stop()

    def look_ahead(self, done: int, total: int) -> None:
        """Show how far rules on text have looked ahead, before the first stage."""
        left = done < total
        description = "looking ahead" if left else "annealing"
        shown = {"completed": done, "total": total} if left else {"completed": 0, "total": None}
        self.bar.update(self.task, description=description, **shown)
        self._line(f"looking ahead: {done} of {total}")

    def __call__(self, record: StageRecord, total: int) -> None:
        self.done += 1
        text = facts(record)
        self.bar.update(self.task, advance=1, total=total, facts=text)
        left = (self.clock() - self._start) / self.done * max(0, total - self.done)
        self._line(f"{self.done} of {total} stages, {text}, about {left:.0f} s left")

    def _line(self, text: str) -> None:
        """A line for those who do not see the bar, unless there was one a moment ago."""
        if self._lines and self.clock() - self._last >= EVERY:
            self._last = self.clock()
            print(f"poe: {text}", file=sys.stderr, flush=True)


def facts(record: StageRecord) -> str:
    """The measurements of a stage that show whether a run is sound, in one line."""
    parts = [f"stage {record.t}", f"ESS {record.ess:.0f}"]
    if record.acceptance is not None:
        parts.append(f"acceptance {record.acceptance:.2f}")
    if record.rewards is not None and len(set(record.rewards)) > 1:
        _, middle, best = record.rewards
        median = f"{middle:.4g}" if middle > VIOLATED else "none"
        parts.append(f"reward {median}, best 5 % from {best:.4g}")
    return ", ".join(parts)
