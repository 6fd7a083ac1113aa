"""``poe run --resume FOLDER``: the run in a folder that has not finished, as it was started."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
class EarlierRun:
    """The run that a folder holds.

    Attributes:
        plan: as it was run. settings: by the names of the options of the command.
        finished: whether it has ended, so that there is nothing to go on with.
    """

    folder: Path
    plan: Plan
    settings: Mapping[str, Any]
    finished: bool

    def with_settings(
        self, settings: Mapping[str, Any], explicit: Collection[str], force: bool
    ) -> dict[str, Any]:
        """What the command line gives, else what the run was started with.

        Args:
            settings: by the names of their options, those that are not given at their defaults.
            explicit: the names of those that the command line gives.

        Raises:
            PoeError: one that is given was another (P0722), and this is not forced.
        """
        started = {name: self.settings.get(name, value) for name, value in settings.items()}
        asked = {name: settings[name] for name in settings if name in explicit}
        self._refuse_unless(_shown({n: started[n] for n in asked}), _shown(asked), force)
        return {**started, **asked}

    def plan_of(self, plan: Plan | None, force: bool) -> Plan:
        """The plan to go on with.

        Args:
            plan: of a program that is said to be that of the run.

        Raises:
            PoeError: it is another (P0722), and this is not forced.
        """
        from poedsl.runtime.checkpoints.identity import of_plan

        if plan is None:
            return self.plan
        then, now = of_plan(self.plan.spec), of_plan(plan.spec)
        self._refuse_unless(then, now, force)
        return plan if then != now else replace(plan, spec=self.plan.spec)

    def _refuse_unless(self, then: Mapping[str, str], now: Mapping[str, str], force: bool) -> None:
        from poedsl.runtime.checkpoints.identity import differences

        changed = differences(then, now)
        if not changed or (force and not self.finished):
            return
        if self.finished:
            message = f"the run in {self.folder} has finished, and was another: {changed[0]}"
            note = "`--out` with another folder runs this one"
        else:
            message = f"the run in {self.folder} is another: {changed[0]}"
            note = "`--force` goes on all the same, and gives other numbers"
        raise PoeError((Diagnostic("P0722", message, notes=(*changed[1:], note)),))


def _shown(settings: Mapping[str, Any]) -> dict[str, str]:
    return {f"`--{name}`": str(value) for name, value in settings.items()}


def earlier_run(folder: Path) -> EarlierRun:
    """The run in a folder.

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
    finished = not staged.is_file()
    if finished and state.unfinished:
        message = f"the run in {folder} cannot go on: it was stopped before its plan was written"
        note = f"`poe run PROGRAM --out {folder}` starts it again"
        raise PoeError((Diagnostic("P0721", message, notes=(note,)),))
    plan = load(folder / PLAN if finished else staged)
    plan = replace(plan, base=Path(str(state.run.get("base", ""))))
    return EarlierRun(folder, plan, state.run, finished)
