"""Runs of spoilt programs, with few particles and steps, after all that ``poe plan`` shows."""

from __future__ import annotations

import signal
import tempfile
import warnings
from pathlib import Path
from random import Random
from typing import Any

import poedsl
from poedsl.catalog.profiles import DEFAULT
from poedsl.compiler.compile import Compiled
from poedsl.compiler.views.emit import emit_plan
from poedsl.plan import Plan, plan_of
from poedsl.runtime.inputs.bind import inputs_without_value
from poedsl.runtime.results.report import head_lines
from tests.fuzz.programs import ROOT

#: The folder that programs stand in.
BASE = ROOT / "programs"
#: Seconds for a run, and the sizes of arrays that are left open.
RUN_PATIENCE, OPEN = 5, 3
#: Of so many programs that run, one is saved in a folder too.
SAVED = 10
#: More numbers than this are not made up for an input.
MOST_NUMBERS = 10_000


class BrokenOff(BaseException):
    """A run took longer than it may; no handler of exceptions sees it."""


def planned(compiled: Compiled) -> Plan:
    """The plan, after it was shown in all forms, and read again.

    Raises:
        AssertionError: its JSON is another plan.
    """
    plan = plan_of(compiled, BASE)
    for form in ("text", "dot"):
        emit_plan(plan.spec, form, DEFAULT)
    repr(plan), plan._repr_html_()
    try:
        text = plan.to_json()
    except poedsl.PoeError:
        return plan
    assert poedsl.load(text).to_json() == text, "another plan in JSON"
    return plan


def ran(plan: Plan, random: Random) -> str:
    """What became of a run: its outcome, or the code of what stopped it."""
    try:
        values = {i.name: _value(i.type, random) for i in inputs_without_value(plan.spec)}
        bound = plan.bind(**{name: v for name, v in values.items() if v is not None})
        result = _small(bound).run(seed=1)
        "\n".join(head_lines(result)), repr(result), str(result.posterior), result._repr_html_()
        if result.outcome.ok:
            result.sample(3), result.best, result.summary
            if any(f.kind == "likelihood" for f in result.plan.factors):
                result.log_likelihood(), result.predict(2)
        if random.randrange(SAVED) == 0:
            with tempfile.TemporaryDirectory() as folder:
                result.save(folder)
                poedsl.Result.load(folder)
    except poedsl.PoeError as error:
        return f"stopped {error.diagnostics[0].code}"
    return f"ran {result.outcome.name.lower()}"


def within_patience(plan: Plan, random: Random) -> str:
    """As `ran`, or ``broken off``."""

    def ring(*_: object) -> None:
        raise BrokenOff

    handler = signal.signal(signal.SIGALRM, ring)
    signal.alarm(RUN_PATIENCE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ran(plan, random)
    except BrokenOff:
        return "broken off"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


def _small(plan: Plan) -> Plan:
    """The plan with few particles and, if it takes them, few steps."""
    for options in ({"particles": 8, "steps": 3}, {"particles": 8}, {"particles": 64}):
        try:
            return plan.with_options(**options)
        except poedsl.PoeError:
            continue
    return plan


def _value(type_: Any, random: Random) -> Any:
    """A value of a type; None where there is none to make up."""
    sizes = [size if isinstance(size, int) else OPEN for size in type_.sizes]
    count = 1
    for size in sizes:
        count *= max(size, 0)
    if count > MOST_NUMBERS or any(size < 0 for size in sizes):
        return None
    draw = {
        "Real": lambda: round(random.gauss(0, 2), 2),
        "Int": lambda: random.choice((0, 1, 1, 2, 3, 3, 5)),
        "Bool": lambda: random.random() < 0.5,
        "Text": lambda: "a cat",
    }.get(type_.name)
    return None if draw is None else _nested(sizes, draw)


def _nested(sizes: list[int], draw: Any) -> Any:
    return [_nested(sizes[1:], draw) for _ in range(sizes[0])] if sizes else draw()


def prepare() -> None:
    """Import what runs import, so that the time this takes does not count against the first."""
    for text in (
        "x ~ Normal(0, 1) * StudentT(3)",
        "x ~ digits(3) * exp(digit_score(3))",
        'x : Tokens[3]\nx ~ Markov([0.5, 0.5], [[0.5, 0.5], [0.1, 0.9]]) * where(matches(x, "a"))',
    ):
        try:
            result = poedsl.compile(text).run(particles=4, steps=2)
        except poedsl.PoeError:
            continue
        with tempfile.TemporaryDirectory() as folder:
            result.save(Path(folder))
