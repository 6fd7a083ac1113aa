"""The command and the text of the program of a run, for its report."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poedsl.cli.open_plan import is_plan
from poedsl.cli.resume import DEFAULTS
from poedsl.grammar.source import Source

if TYPE_CHECKING:
    from poedsl.runtime.results.page.program_and_inputs import RunRequest

#: What `typed` adds to the settings of a run.
TYPED = ("source", "command", "options")


def typed(
    file: str,
    bindings: list[str],
    data: list[str],
    sample: list[str],
    settings: Mapping[str, Any],
    out: str | None,
    source: Source,
    allow_code: bool,
) -> dict[str, str]:
    """The command of a run as ``command``, the settings among it as ``options``, and the program
    as ``source``, empty for a plan.
    """
    words = ["poe", "run", file]
    for option, values in (("--set", bindings), ("--data", data), ("--sample", sample)):
        words += (word for value in values for word in (option, value))
    options = ["--allow-code"] if allow_code else []
    for name, value in settings.items():
        if value != DEFAULTS[name]:
            options += (f"--{name}", str(value))
    words += options + ([] if out is None else ["--out", out])
    return {
        "command": shlex.join(words),
        "options": shlex.join(options),
        "source": "" if is_plan(file, source) else source.text,
    }


def request_of(settings: Mapping[str, Any]) -> RunRequest:
    """What the report shows of it, from the settings of a run."""
    from poedsl.editor.highlighting import pieces
    from poedsl.runtime.results.page.program_and_inputs import RunRequest

    source, *others = (str(settings.get(name, "")) for name in TYPED)
    return RunRequest(pieces(source), *others)
