"""Tries poedsl on spoilt programs, by hand: ``python tests/fuzz/fuzz.py --count 200000``.

Nothing that is written may raise, take more than a second, or report a place outside the text;
and diagnostics can be shown as text and as JSON. With ``--run`` what compiles is also planned, in
all forms that are printed, and run for a few steps; no program may take more than a GiB of memory.
A run that takes more than 5 s is broken off and counted. A program that fails is made smaller and
kept.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import signal
import sys
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from itertools import islice
from multiprocessing import Pool
from pathlib import Path
from random import Random
from types import FrameType

sys.path.insert(0, str(Path(__file__).parents[2]))

from poedsl.compiler.compile import Compiled, compile_source
from poedsl.grammar.diagnostics import Diagnostic, to_json
from poedsl.grammar.formatting.format import format_source
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source
from tests.fuzz import runs
from tests.fuzz.programs import ROOT, program
from tests.fuzz.shrink import shrink

#: Seconds of processor time for a program, and of waiting before it is broken off.
LIMIT, PATIENCE = 1.0, 20
#: KiB of memory that a program may take.
MOST_MEMORY = 2**20
#: Of this process under Linux: its memory, and a file whose 5 resets the peak of that.
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Outcome:
    """What came of a program: its kind of failure, or none, and how long it took."""

    number: int
    text: str
    seconds: float
    codes: tuple[str, ...] = ()
    kind: str = ""
    report: str = ""
    run: str = ""


def examine(text: str) -> Compiled:
    """Compile and show.

    Raises:
        AssertionError: a diagnostic or the result is wrong.
    """
    source = Source(text, "fuzz.poe")
    compiled = compile_source(source, base=ROOT / "programs")
    for d in compiled.diagnostics:
        for span in places(d):
            assert 0 <= span[0] <= span[1] <= len(text), f"{d.code} outside of the text"
    assert compiled.ok != any(d.is_error for d in compiled.diagnostics), "errors or a plan"
    render_text(compiled.diagnostics, source, color=True)
    json.dumps(to_json(compiled.diagnostics, source)).encode()
    return compiled


def reformat(text: str) -> None:
    """Format a program without syntax errors.

    Raises:
        AssertionError: the result is not stable.
    """
    if not parse(Source(text))[1]:
        formatted = format_source(text)
        assert format_source(formatted) == formatted, "formatting is not stable"


def places(d: Diagnostic) -> list[tuple[int, int]]:
    spans = [d.span, *(x.span for x in d.labels), *(e.span for f in d.fixes for e in f.edits)]
    return [(s.start, s.end) for s in spans]


def memory(name: str) -> int:
    """A size of this process in KiB, 0 if the system does not say: ``VmRSS``, or ``VmHWM``."""
    if not STATUS.exists():
        return 0
    lines = STATUS.read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


def attempt(text: str, number: int = 0, *, run: bool = False) -> Outcome:
    """Examine a text, and tell a failure by its kind and its innermost place in the package."""
    codes: tuple[str, ...] = ()
    became = ""
    if RESET.exists():
        RESET.write_text("5", encoding="ascii")
    before = memory("VmRSS")
    begin = time.process_time()
    signal.alarm(PATIENCE)
    try:
        compiled = examine(text)
        codes = tuple(d.code for d in compiled.diagnostics)
        plan = runs.planned(compiled) if run and compiled.ok else None
        seconds = time.process_time() - begin
        reformat(text)
        if plan is not None:
            became = runs.within_patience(plan, Random(text))
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f for f in frames if "poedsl" in f.filename] or list(frames)
        place = f"{Path(ours[-1].filename).name}:{ours[-1].name}"
        said = str(error) if isinstance(error, AssertionError) else ""
        kind = f"{type(error).__name__} {said or place}"
        report = "".join(traceback.format_exception(error, limit=-30))
        return Outcome(number, text, time.process_time() - begin, (), kind, report)
    finally:
        signal.alarm(0)
    kind = f"slower than {LIMIT:g} s" if seconds > LIMIT else ""
    if memory("VmHWM") - before > MOST_MEMORY:
        kind = f"more than {MOST_MEMORY} KiB"
    return Outcome(number, text, seconds, codes, kind, run=became)


def numbered(task: tuple[int, int, bool]) -> Outcome:
    seed, number, run = task
    return attempt(program(Random(f"{seed}:{number}"), near=run), number, run=run)


def prepare(run: bool = False) -> None:
    """Let the alarm raise, and load what is loaded once."""

    def ring(_: int, __: FrameType | None) -> None:
        raise TimeoutError(f"more than {PATIENCE} s")

    signal.signal(signal.SIGALRM, ring)
    examine("x ~ Normal(0, 1)")
    if run:
        runs.prepare()


def keep(outcome: Outcome, folder: Path, *, run: bool) -> Path:
    """Save a failing program, as it was and shrunk, with its traceback."""
    small = shrink(outcome.text, lambda text: attempt(text, run=run).kind == outcome.kind)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{hashlib.sha256(outcome.kind.encode()).hexdigest()[:8]}.poe"
    path.write_text(small, encoding="utf-8", newline="")
    path.with_suffix(".full.poe").write_text(outcome.text, encoding="utf-8", newline="")
    path.with_suffix(".txt").write_text(f"{outcome.kind}\n\n{outcome.report}", encoding="utf-8")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000, help="programs to try")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--run", action="store_true", help="plan and run what compiles")
    parser.add_argument("--seconds", type=float, default=math.inf, help="until no more are tried")
    options = parser.parse_args()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    prepare(options.run)
    begin = time.monotonic()
    tasks = ((options.seed, number, options.run) for number in range(options.count))
    kinds: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    slowest = Outcome(0, "", 0.0)
    done = 0
    many = 100 if options.run else 1000
    with Pool(options.jobs, prepare, (options.run,)) as pool:
        outcomes = pool.imap_unordered(numbered, tasks, 5 if options.run else 50)
        while time.monotonic() - begin < options.seconds and (
            chunk := list(islice(outcomes, many))
        ):
            done += len(chunk)
            for outcome in chunk:
                codes.update(set(outcome.codes) or {"none"})
                slowest = max(slowest, outcome, key=lambda o: o.seconds)
                kinds[outcome.kind] += 1
                ended[outcome.run] += 1
                if outcome.run == "broken off":
                    print(f"program {outcome.number}: its run was broken off")
                if outcome.kind and kinds[outcome.kind] == 1:
                    path = keep(outcome, options.out, run=options.run)
                    print(f"program {outcome.number}: {outcome.kind}: {path}", flush=True)
            rate = done / (time.monotonic() - begin)
            print(f"{done} programs, {rate:.0f}/s, {len(kinds) - ('' in kinds)} kinds of failure")
    print(f"slowest: program {slowest.number}, {slowest.seconds:.2f} s")
    print(f"codes: {', '.join(f'{code} {count}' for code, count in sorted(codes.items()))}")
    for end, count in ended.most_common():
        print(f"{count:>8}  {end or 'not run'}")
    for kind, count in kinds.most_common():
        print(f"{count:>8}  {kind or 'as they should be'}")
    return 1 if set(kinds) - {""} else 0


if __name__ == "__main__":
    sys.exit(main())
