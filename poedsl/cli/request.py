"""How a run was asked for: the command and the text of the program, for the report of the run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from poedsl.cli.open_plan import is_plan
from poedsl.cli.resume import DEFAULTS
from poedsl.grammar.source import Source

if TYPE_CHECKING:
    from poedsl.runtime.results.page.asked import Request


def typed(
    file: str,
    bindings: list[str],
    data: list[str],
    sample: list[str],
    given: Mapping[str, Any],
    out: str | None,
    source: Source,
) -> dict[str, str]:
    """The command of a run as ``command``, and the program as ``source``, empty for a plan."""
    words = ["poe", "run", file]
    for option, values in (("--set", bindings), ("--data", data), ("--sample", sample)):
        words += (word for value in values for word in (option, value))
    for name, value in given.items():
        if value != DEFAULTS[name]:
            words += (f"--{name}", str(value))
    words += () if out is None else ("--out", out)
    return {
        "command": shlex.join(words),
        "source": "" if is_plan(file, source) else source.text,
    }


def request_of(settings: Mapping[str, Any]) -> Request:
    """What the report shows of it, from the settings of a run."""
    from poedsl.editor.highlighting import pieces
    from poedsl.runtime.results.page.asked import Request

    return Request(pieces(str(settings.get("source", ""))), str(settings.get("command", "")))
