"""Keeps checkpoints of a run, and stops it between two stages where a signal asks for that."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.runtime.checkpoints.checkpoint_file import (
    CHECKPOINT,
    Checkpoint,
    damaged,
    read_checkpoint,
    write_checkpoint,
)
from poedsl.runtime.checkpoints.identity import Identity, differences, identity
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.core.state import SavedState
from poedsl.runtime.results.result import Result
from poedsl.runtime.run import Run

#: Seconds between two checkpoints.
EVERY = 30.0


class Interrupted(KeyboardInterrupt):
    """A run that a signal has stopped.

    Attributes:
        number: of the signal. saved: whether its last stage is in a checkpoint.
    """

    def __init__(self, number: int, *, saved: bool) -> None:
        super().__init__(number)
        self.number, self.saved = number, saved


@dataclass(slots=True)
class Checkpointer:
    """Is called after every stage of a run, and saves its state every few seconds.

    Attributes:
        save: writes the state of a run. every: seconds between two checkpoints; 0 after each stage.
        report: is called with why a checkpoint could not be written; the run goes on.
        stop_signal: the number of the signal that asks the run to stop; None so far.
        saved: how many stages the checkpoint has; those of a pilot run do not count.
    """

    save: Callable[[SavedState], None]
    depends_on: Identity
    every: float
    report: Callable[[str], None] = field(default=lambda reason: None)
    stop_signal: int | None = None
    saved: int = 0
    _last: float = field(default_factory=time.monotonic)

    def going_on(self, depends_on: Identity, saved: int) -> None:
        """Take note of what a run depends on, and of the stages that its checkpoint has."""
        self.depends_on, self.saved = depends_on, saved

    def __call__(self, job: Run) -> None:
        """Save the state where it is time to, or where the run is to stop.

        Raises:
            Interrupted: a signal has asked for it.
        """
        if self.stop_signal is not None:
            raise Interrupted(self.stop_signal, saved=self._saved(job))
        if time.monotonic() - self._last >= self.every:
            self._saved(job)
            self._last = time.monotonic()

    def _saved(self, job: Run) -> bool:
        try:
            self.save({"depends_on": self.depends_on, "run": job.state()})
        except OSError as error:
            self.report(error.strerror or str(error))
            return False
        self.saved = len(job.recorder.records)
        return True

    @contextmanager
    def stopping_on_signals(self, announce: Callable[[int], None]) -> Iterator[None]:
        """Within it, SIGINT and SIGTERM stop the run after its stage, and a second one at once;
        one that the process was started to ignore, as in the background, is still ignored.

        Args:
            announce: is called with the number of the first signal.
        """

        def stop(number: int, frame: FrameType | None) -> None:
            if self.stop_signal is not None:
                raise Interrupted(number, saved=False)
            self.stop_signal = number
            announce(number)

        both = (signal.SIGINT, signal.SIGTERM)
        handled = [n for n in both if signal.getsignal(n) is not signal.SIG_IGN]
        before = {n: signal.signal(n, stop) for n in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def resume(
    job: Run, folder: Path, checkpoint: Checkpoint, now: Identity, *, force: bool = False
) -> None:
    """Let a run go on from a checkpoint in a folder.

    Args:
        now: what the run depends on.
        force: go on whatever has changed, as far as the particles fit.

    Raises:
        PoeError: something has changed (P0722), or this is no state of the run (P0721).
    """
    try:
        state = checkpoint.state(job.device)
        changed = differences(state["depends_on"], now)
        if force or not changed:
            job.restore(state["run"], anew=bool(changed))
    except (AssertionError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        reason = f"it is no state of this run: {type(error).__name__}: {error}"
        raise damaged(folder, reason) from error
    if changed and not force:
        message = f"the run in {folder} cannot go on: {changed[0]}"
        notes = (*changed[1:], "`--force` goes on all the same, and gives other numbers")
        raise PoeError((Diagnostic("P0722", message, notes=notes),))


def run_from_checkpoint(
    plan: PlanSpec,
    settings: RunSettings,
    folder: Path,
    look_ahead: Callable[[int, int], None] | None = None,
) -> Run:
    """A run of a bound plan that keeps a checkpoint in a folder, after the stages of the one that
    is there.

    Args:
        look_ahead: as of `Run`.

    Raises:
        PoeError: the folder cannot be written (P0704), its checkpoint is damaged (P0721), or of a
            run that differs (P0722).
    """
    depends_on = identity(plan, settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"checkpoints cannot be written to {folder}: {error.strerror or error}"
        raise PoeError((Diagnostic("P0704", message),)) from error
    checkpointer = Checkpointer(lambda state: write_checkpoint(folder, state), depends_on, EVERY)
    job = Run(plan, settings, look_ahead, checkpointer)
    checkpoint = read_checkpoint(folder)
    if checkpoint is not None:
        resume(job, folder, checkpoint, depends_on)
    return job


def result_without_checkpoint(job: Run, folder: Path | None) -> Result:
    """The result of a run that has ended; its checkpoint is removed from the folder, if there is
    one.
    """
    result = job.result()
    if folder is not None:
        (folder / CHECKPOINT).unlink(missing_ok=True)
    return result
