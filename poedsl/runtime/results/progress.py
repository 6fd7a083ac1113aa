"""Progress on a terminal; silence in a pipe."""

from __future__ import annotations

import sys
from types import TracebackType

from poedsl.runtime.smc.records import StageRecord


class Progress:
    """A line on standard error, redrawn at every stage, where that is a terminal.

    Args:
        shown: whether it is shown at all.
    """

    def __init__(self, *, shown: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        console = Console(file=sys.stderr)
        self.bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[facts]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (shown and console.is_terminal),
        )
        self.task = self.bar.add_task("annealing", total=None, facts="")

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

    def __call__(self, record: StageRecord, total: int) -> None:
        facts = f"stage {record.t}, ESS {record.ess:.0f}"
        self.bar.update(self.task, advance=1, total=total, facts=facts)
