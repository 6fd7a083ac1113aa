"""The report of a run as one page: no scripts, nothing from the network, light or dark."""

from __future__ import annotations

import base64
import hashlib
import platform
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from poedsl.compiler.codes import CODES
from poedsl.runtime.checkpoints.identity import of_machine, of_versions
from poedsl.runtime.core.warnings import RunWarning
from poedsl.runtime.results.page.experts import experts
from poedsl.runtime.results.page.lines import lines
from poedsl.runtime.results.page.markup import Numbers, esc, facts, section
from poedsl.runtime.results.page.outcome import outcome
from poedsl.runtime.results.page.program_and_inputs import RunRequest, program_and_inputs
from poedsl.runtime.results.page.stages import stages
from poedsl.runtime.results.page.style import STYLE
from poedsl.runtime.results.report import summary
from poedsl.runtime.results.saved_files import PLAN, WrittenRun
from poedsl.runtime.results.verdict import HARMLESS

#: The signs of verdicts beside their words.
SIGNS = {"reliable": "\u2713", "doubtful": "?", "failed": "\u2717"}


def page(result: WrittenRun, request: RunRequest | None = None, samples: Path | None = None) -> str:
    """The whole page.

    Args:
        request: the program and the command, as far as they are known.
        samples: the folder that films were written to; None if there is none.
    """
    origin, numbers = request or RunRequest(), Numbers()
    parts = {
        "program": ("Program and inputs", program_and_inputs(result.plan, origin, numbers)),
        "outcome": ("Results", outcome(result, numbers, samples)),
        "lines": ("Particles by stage", lines(result, numbers)),
        "stages": ("Stages", stages(result, numbers)),
        "experts": ("Experts", experts(result, numbers)),
        "run": ("The run", _run(result, origin)),
    }
    links = "".join(
        f'<li><a href="#{key}">{title}</a></li>' for key, (title, body) in parts.items() if body
    )
    sections = "".join(section(key, title, body) for key, (title, body) in parts.items())
    body = (
        f'<a class="skip" href="#main">Skip to the report</a><header>'
        f"<h1>{esc(result.plan.program)}</h1>{_head(result)}</header>"
        f'<nav aria-label="Sections"><ul><li><a href="#verdict">Verdict</a></li>{links}</ul></nav>'
        f'<main id="main">{section("verdict", "Verdict", _verdict(result))}{sections}</main>'
    )
    return _document(result.plan.program, body)


def _document(title: str, body: str) -> str:
    """The page around its content, which may load nothing and run nothing."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">'
        f"<title>{esc(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>\n"
    )


def _head(result: WrittenRun) -> str:
    now = datetime.now(UTC)
    date = f'<time datetime="{now:%Y-%m-%dT%H:%M:%SZ}">{now:%Y-%m-%d %H:%M} UTC</time>'
    variables = ", ".join(f"{v.name} : {v.type}" for v in result.plan.variables)
    return f"<p>{esc(variables)}; seed {result.seed}; {date}</p>"


def _verdict(result: WrittenRun) -> str:
    """The verdict, why, and the numbers that people want first."""
    name = str(result.verdict)
    badge = (
        f'<p class="verdict {name}"><b>{SIGNS[name]} {name}</b>: {esc(result.verdict.value)}</p>'
    )
    serious = [w for w in result.warnings if w.code not in HARMLESS]
    harmless = [w for w in result.warnings if w.code in HARMLESS]
    out = badge
    if serious:
        out += f"<h3>Why</h3><ul class=warnings>{''.join(map(_warning, serious))}</ul>"
    if harmless:
        out += f"<h3>Remarks</h3><ul class=remarks>{''.join(map(_warning, harmless))}</ul>"
    return out + facts(row for row in summary(result) if row[0] != "verdict")


def _warning(warning: RunWarning) -> str:
    page = CODES.get(warning.code)
    title = "" if page is None else f" {esc(page.title)}"
    return f"<li><b>{esc(warning.code)}</b>{title}<br>{esc(warning.message)}</li>"


def _run(result: WrittenRun, request: RunRequest) -> str:
    """What it cost, what it ran with, and the commands that repeat it."""
    options = request.options if request.command else f"--seed {result.seed}"
    again = " ".join(filter(None, ("poe run", PLAN, options, "--out again")))
    out = "<h3>Cost and versions</h3>" + facts(_cost(result))
    out += "<h3>The same run again</h3>"
    if request.command:
        out += f"{_command(request.command)}<p>or in this folder</p>"
    return out + _command(again)


def _command(text: str) -> str:
    return f'<pre class="command" tabindex="0">{esc(text)}</pre>'


def _cost(result: WrittenRun) -> Iterator[tuple[str, str]]:
    shown = dict(summary(result))
    names = ("time", "evaluations", "peak memory", "seed")
    yield from ((n, shown[n]) for n in names if n in shown)
    yield "stages", str(len(result.stages))
    device = result.log_weights.device
    yield "device", str(device)
    yield from of_machine(device).items()
    yield "system", platform.platform(terse=True)
    yield "plan", result.plan.hash
    yield from of_versions(result.plan).items()
