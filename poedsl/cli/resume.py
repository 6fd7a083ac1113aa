"""``poe run --resume FOLDER``: the run in a folder that has not finished, as it was started."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from poedsl.api import load
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.plan import Plan

#: Settings of a run that say nothing of its plan, by the names of their options.
DEFAULTS = {"seed": 0, "device": "cpu", "dtype": "auto", "microbatch": None, "profile": "default"}


@dataclass(frozen=True, slots=True)
class SavingOptions:
    """Where and how a run is saved.

    Attributes:
        every: seconds between two checkpoints.
        resumed: whether a run that is there goes on.
        force: whether an unfinished run may be discarded, or goes on whatever has changed.
    """

    folder: Path
    every: float
    resumed: bool
    force: bool


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that has not finished.

    Attributes:
        plan: as it was run. settings: by the names of the options of the command.
    """

    folder: Path
    plan: Plan
    settings: Mapping[str, Any]

    def with_settings(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What the command line gives, else what the run was started with."""
        return {
            name: self.settings.get(name, value) if value == DEFAULTS[name] else value
            for name, value in settings.items()
        }

    def plan_of(self, plan: Plan | None, force: bool) -> Plan:
        """The plan to go on with.

        Args:
            plan: of a program that is said to be that of the run.

        Raises:
            PoeError: it is another (P0722), and this is not forced.
        """
        from poedsl.runtime.checkpoints.identity import differences, of_plan

        if plan is None:
            return self.plan
        changed = differences(of_plan(self.plan.spec), of_plan(plan.spec))
        if not changed:
            return replace(plan, spec=self.plan.spec)
        if force:
            return plan
        message = f"the run in {self.folder} is of another program: {changed[0]}"
        raise PoeError((Diagnostic("P0722", message, notes=changed[1:]),))


def earlier_run(folder: Path) -> UnfinishedRun | None:
    """The run in a folder; None where it has finished.

    Raises:
        PoeError: there is none (P0721), or its files are damaged (P0606).
    """
    from poedsl.runtime.results.folder_ownership import MANIFEST, STAGING, read_state, writing
    from poedsl.runtime.results.run_folder import complete
    from poedsl.runtime.results.saved_files import PLAN

    state = read_state(folder) if (folder / MANIFEST).is_file() else None
    if state is None:
        message = f"there is no run in {folder}: it has no {MANIFEST}"
        raise PoeError((Diagnostic("P0721", message),))
    if state.moving:
        with writing(folder):
            state = complete(folder)
    staged = folder / STAGING / PLAN
    if not staged.is_file():
        if state.unfinished:
            message = f"the run in {folder} cannot go on: its plan is not there"
            raise PoeError((Diagnostic("P0721", message),))
        return None
    plan = load(staged)
    return UnfinishedRun(
        folder, replace(plan, base=Path(str(state.run.get("base", "")))), state.run
    )
