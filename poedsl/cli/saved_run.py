"""A run of the command line that is saved: its folder, its checkpoints, and how it ends."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from poedsl.cli.request import request_of
from poedsl.cli.resume import SavingOptions
from poedsl.cli.shared import INTERRUPTED, echo
from poedsl.grammar.errors import PoeError
from poedsl.runtime.checkpointer import Checkpointer, Interrupted, resume
from poedsl.runtime.checkpoints.checkpoint_file import read_checkpoint
from poedsl.runtime.checkpoints.identity import identity
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.results.page.program_and_inputs import RunRequest
from poedsl.runtime.results.write_result import OutputFolder
from poedsl.runtime.run import Run
from poedsl.runtime.smc.records import StageRecord


class SavedRun:
    """The folder of a run, and the checkpoints in it.

    Args:
        plan: of the class `poedsl.Plan`. given: the settings by the names of their options.

    Raises:
        PoeError: the folder cannot be written, or is not the run's to write (P0704, P0712, P0720);
            from every method.
    """

    def __init__(self, saving: SavingOptions, plan: Any, settings: Mapping[str, Any]) -> None:
        self.saving, self.place, self.plan = saving, saving.folder, plan.spec
        run = {"program": plan.spec.program, "base": str(plan.base.resolve()), **settings}
        plan_json, resumed, force = plan.to_json(), saving.resumed, saving.force
        self.folder = OutputFolder(self.place, plan_json, run, resumed=resumed, force=force)
        self.checkpointer = Checkpointer(self.folder.save, {}, saving.every, self._report)
        self.done = self._logged = 0
        self._settings = settings

    @property
    def request(self) -> RunRequest:
        """The program and the command of the run."""
        return request_of(self._settings)

    def go_on(self, job: Run, settings: RunSettings) -> int:
        """Let a prepared run go on from the checkpoint that there is.

        Returns:
            The number of stages that are done.

        Raises:
            PoeError: the checkpoint is damaged (P0721), or of a run that differs (P0722).
        """
        now = identity(self.plan, settings)
        checkpoint = read_checkpoint(self.place) if self.saving.resumed else None
        if checkpoint is not None:
            resume(job, self.place, checkpoint, now, force=self.saving.force)
        self.checkpointer.going_on(now, len(job.recorder.records))
        self._logged = self.folder.keep_log(self.checkpointer.saved)
        return self.checkpointer.saved

    def stage(self, record: StageRecord, log_evidence: float) -> None:
        """Log a stage, unless the log of an earlier process has it."""
        self.done += 1
        if self.done > self._logged:
            self.folder.stage(record, log_evidence)

    @contextmanager
    def states(self) -> Iterator[None]:
        """Says in the folder how the run ends, if it ends without a result."""
        try:
            yield
        except KeyboardInterrupt:
            self.folder.stopped("interrupted", self._hint())
            echo(f"poe: interrupted; {self._hint()}", err=True)
            raise
        except BaseException as error:
            reason = error.diagnostics[0].message if isinstance(error, PoeError) else repr(error)
            self.folder.stopped("failed", f"{reason}; {self._hint()}")
            raise

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within it, a first signal stops the run after its stage, and a second one at once."""
        with self.checkpointer.stopping_on_signals(self._announce):
            yield

    def _announce(self, number: int) -> None:
        again = "; Ctrl-C again stops at once" if number == signal.SIGINT else ""
        echo(f"poe: stopping after this stage{again}", err=True)

    def _report(self, reason: str) -> None:
        echo(f"note: no checkpoint was written to {self.place}: {reason}", err=True)

    def _hint(self) -> str:
        where = f" after {self.checkpointer.saved} stages" if self.checkpointer.saved else ""
        return f"`poe run --resume {self.place}` goes on{where}"


def exit_code(stop: KeyboardInterrupt) -> int:
    """Of a command that a signal has stopped."""
    return 128 + stop.number if isinstance(stop, Interrupted) else INTERRUPTED
