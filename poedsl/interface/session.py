"""A program in conversation: what `poe repl` is made of, and notebooks and editors can be.

session = Session()
session.feed("x ~ Normal(0, 1) * Normal(2, 1)")     # Reply("variable x : Real")
session.feed("x ~ where(")                          # Incomplete(): there is more to come
session.feed("x ~ Normal(0, mu)")                   # Diagnostics: the program stays as it was
session.feed("%run particles=500").value            # the result
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

from poedsl.api import Plan, plan_of, read_options
from poedsl.compiler.plan.plan import InputSpec, PlanSpec, VariableSpec
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.plan.text import print_term
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.errors import PoeError
from poedsl.grammar.logical_lines import CLOSERS
from poedsl.grammar.parsing.incomplete import is_incomplete
from poedsl.grammar.parsing.parser import parse, parse_expression
from poedsl.grammar.source import Source, Span
from poedsl.grammar.tokens import Word, words
from poedsl.grammar.traversal import names_in
from poedsl.interface import texts
from poedsl.interface.draft import NAME, Draft, Entry, entries

if TYPE_CHECKING:
    from poedsl.runtime.results.result import Result

#: Characters of a value that are shown.
_SHOWN = 400
#: What `%run` takes beside the options of `sample`.
_SETTINGS = ("seed", "device", "microbatch")


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The text is the beginning of a statement: feed it again with its next lines."""


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """What is wrong with a text, or worth a warning; spans are places in the source."""

    items: tuple[Diagnostic, ...]
    source: Source = field(default_factory=lambda: Source("", ""))

    def __str__(self) -> str:
        from poedsl.grammar.render import render_text

        return render_text(self.items, self.source)


@dataclass(frozen=True, slots=True)
class Reply:
    """What was asked for has been done.

    Attributes:
        text: what there is to tell; often nothing.
        value: of an expression its value (its type, where the inputs decide the value), of a
            command what it made: a plan, a result.
        warnings: of a statement that was taken, or of the program that is planned or run.
    """

    text: str = ""
    value: Any = None
    warnings: Diagnostics | None = None


class Session:
    """A program so far, what its inputs are bound to, and its last run.

    A statement joins the program unless it has an error that no later statement can mend. A name
    that is declared again takes its new meaning, as does `sample`; `x ~ ...` multiplies.

    Args:
        allow_code: let runs execute the code that `use` statements name.
        progress: show the progress of runs on standard error, where that is a terminal.

    Attributes:
        draft: the program.
        bindings: values for its inputs, by name.
        result: what the last run found.
    """

    def __init__(self, *, allow_code: bool = False, progress: bool = False) -> None:
        self.allow_code = allow_code
        self.progress = progress
        self.draft = Draft()
        self.bindings: dict[str, Any] = {}
        self.result: Result | None = None
        self._past: list[Draft] = []
        self._fed = 0

    def feed(self, text: str, *, last: bool = False) -> Incomplete | Reply | Diagnostics:
        """Take statements, an expression or a command.

        Args:
            last: there is no more text to come, so what is incomplete is wrong.
        """
        try:
            if text.lstrip().startswith("%"):
                return self._command(text.strip()[1:])
            if not last and self.is_incomplete(text):
                return Incomplete()
            return self._text(dedent(text.removeprefix("\ufeff")))
        except PoeError as error:
            return Diagnostics(tuple(map(_as_commands, error.diagnostics)), error.source)
        except RecursionError:
            return Diagnostics((Diagnostic("P0506", "an expression is nested too deeply"),))

    def is_incomplete(self, text: str) -> bool:
        """Whether a text goes on in its next line; a blank line ends a block."""
        if text.lstrip().startswith("%"):
            return False
        text = dedent(text)
        return is_incomplete(text) or is_incomplete(f"let value = {text}")

    @property
    def text(self) -> str:
        """The program so far."""
        return self.draft.source.text

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        checked = self.draft.compiled.checked
        return () if checked is None else checked.inputs

    @property
    def variables(self) -> tuple[VariableSpec, ...]:
        checked = self.draft.compiled.checked
        return () if checked is None else checked.variables

    @property
    def names(self) -> frozenset[str]:
        """What the program declares, and the inputs that it implies."""
        declared = {e.declares for e in self.draft.entries if e.declares is not None}
        found = {i.name for i in self.inputs} | {v.name for v in self.variables}
        return frozenset((declared - {"sample"}) | found)

    def plan(self) -> Plan:
        """The plan of the program, with the values that its inputs have.

        Raises:
            PoeError: the program has errors, or is not complete.
        """
        compiled = self.draft.compiled
        if compiled.plan is None:
            raise PoeError(self.draft.notable, self.draft.source)
        plan = replace(plan_of(compiled, self.draft.base), allow_code=self.allow_code)
        known = {i.name for i in self.inputs}
        return plan.bind(**{n: v for n, v in self.bindings.items() if n in known})

    # Statements and expressions.

    def _text(self, text: str) -> Reply | Diagnostics:
        source = Source(text, f"<repl:{self._fed + 1}>")
        program, found = parse(source)
        if any(d.is_error for d in found):
            expr, problems = parse_expression(source)
            self._fed += 1
            if expr is not None:
                return self._expression(source)
            alone = not program.statements and [d.code for d in found] == ["P0116"]
            return Diagnostics(problems if alone else found, source)
        if not program.statements:
            return Reply()
        self._fed += 1
        new = tuple(entries(source, program))
        draft, replaced = self.draft.extended(new)
        return self._take(draft, source, [f"in place of `{e.line}`" for e in replaced])

    def _take(self, draft: Draft, source: Source, said: list[str]) -> Reply | Diagnostics:
        """Make a draft the program, unless it has errors; tell what it implies unsaid."""
        if draft.refused:
            return Diagnostics(tuple(draft.located(d, source) for d in draft.refused), source)
        known = {(v.name, v.type) for v in self.variables}
        known |= {(i.name, i.type) for i in self.inputs}
        self._past.append(self.draft)
        self.draft = draft
        declared = {e.declares for e in draft.entries}
        variables = [v for v in self.variables if (v.name, v.type) not in known]
        inputs = [i for i in self.inputs if (i.name, i.type) not in known]
        implied = texts.declarations(
            [v for v in variables if v.name not in declared],
            [i for i in inputs if i.name not in declared],
        )
        warnings = draft.warnings(source)
        return Reply(
            "\n".join([*said, *implied]),
            warnings=Diagnostics(warnings, source) if warnings else None,
        )

    def _expression(self, source: Source) -> Reply | Diagnostics:
        """The value of an expression among the program's names, as that of one more constant."""
        name = "_"
        while any(name in names_in(e.statement) for e in self.draft.entries):
            name += "_"
        head = f"let {name} = ("
        statement = tree.Let(
            name=tree.Name(name=name),
            value=tree.Nothing(),
            span=Span(0, len(source.text)),
        )
        entry = Entry(statement, source, f"{head}{source.text}\n)", -len(head))
        draft = replace(self.draft, entries=(*self.draft.entries, entry))
        if draft.refused:
            return Diagnostics(tuple(draft.located(d, source) for d in draft.refused), source)
        typed = draft.value(name)
        if not isinstance(typed.term, Const):
            return Reply(str(typed.type), typed.type)
        text = print_term(Const(typed.value))
        if len(text) > _SHOWN:
            text = f"{text[:_SHOWN]} ...  : {typed.type}"
        return Reply(text, typed.value)

    # Commands.

    def _command(self, line: str) -> Reply | Diagnostics:
        name, _, rest = line.partition(" ")
        command = COMMANDS.get(name)
        if command is None:
            found = get_close_matches(name, COMMANDS, 1)
            fixes = tuple(Fix(f"there is one with a similar name: `%{n}`") for n in found)
            note = f"the commands are {', '.join(f'%{c}' for c in COMMANDS)}"
            raise _failure("P0901", f"there is no command `%{name}`", notes=(note,), fixes=fixes)
        rest = rest.strip()
        takes = command.takes
        if (rest and not takes) or (not rest and takes and not takes.startswith("[")):
            raise _failure("P0901", f"`%{name}` takes {takes or 'nothing'}")
        return command.run(self, rest)

    def _plan(self, _: str) -> Reply:
        plan = self.plan()
        return Reply(str(plan).rstrip(), plan, self._warned())

    def _run(self, rest: str) -> Reply:
        options: dict[str, Any] = {**assignments(rest)}
        settings: dict[str, Any] = {n: options.pop(n) for n in _SETTINGS if n in options}
        for name in settings.keys() - {"device"}:
            settings[name] = _whole(name, settings[name])
        read_options(options)
        try:
            result = self.plan().run(progress=self.progress, **settings, **options)
        except KeyboardInterrupt:
            return Reply("interrupted; the program is as it was")
        self.result = result
        lines = [f"{result!r}", *(f"warning: {w}" for w in result.warnings)]
        return Reply("\n".join(lines), result, self._warned())

    def _warned(self) -> Diagnostics | None:
        """What is worth a warning in the whole program."""
        found = self.draft.notable
        return Diagnostics(found, self.draft.source) if found else None

    def _report(self, _: str) -> Reply:
        if self.result is None:
            raise _failure("P0901", "nothing has run yet: `%run` does")
        return Reply(self.result.report().rstrip(), self.result)

    def _set(self, rest: str) -> Reply:
        from poedsl.runtime.inputs.bind import bind

        if not rest:
            lines = texts.declarations((), self.inputs)
            return Reply("\n".join([*lines, *(f"{n} = {v!s}" for n, v in self.bindings.items())]))
        name, equals, text = (part.strip() for part in rest.partition("="))
        if not equals or not name:
            raise _failure("P0901", f"`%set` takes NAME=VALUE or NAME=@FILE, and this is {rest!r}")
        types = {i.name: i.type.name for i in self.inputs}
        value = _given(text, types.get(name, ""))
        bind(PlanSpec(NAME, self.inputs, (), (), ()), {name: value}, Path())
        self.bindings[name] = value
        return Reply()

    def _list(self, _: str) -> Reply:
        return Reply(self.text.rstrip(), self.text)

    def _undo(self, _: str) -> Reply:
        if not self._past:
            raise _failure("P0901", "there is nothing to undo")
        now, self.draft = self.draft, self._past.pop()
        gone = [f"without `{e.line}`" for e in now.entries if e not in self.draft.entries]
        back = [f"with `{e.line}`" for e in self.draft.entries if e not in now.entries]
        return Reply("\n".join([*gone, *back]))

    def _reset(self, _: str) -> Reply:
        self._past.append(self.draft)
        self.draft = Draft()
        self.bindings = {}
        return Reply()

    def _save(self, rest: str) -> Reply:
        try:
            Path(rest).expanduser().write_text(self.draft.formatted, encoding="utf-8")
        except OSError as error:
            raise _failure("P0704", f"{rest} cannot be written: {error.strerror}") from error
        return Reply(f"written to {rest}")

    def _load(self, rest: str) -> Reply | Diagnostics:
        path = Path(rest).expanduser()
        try:
            source = Source(path.read_text(encoding="utf-8-sig"), rest)
        except UnicodeDecodeError as error:
            raise _failure("P0604", f"{rest} is not a text in UTF-8") from error
        except OSError as error:
            raise _failure("P0604", f"{rest} cannot be read: {error.strerror}") from error
        program, found = parse(source)
        if any(d.is_error for d in found):
            return Diagnostics(found, source)
        taken = self._take(Draft(tuple(entries(source, program)), path.parent), source, [])
        if isinstance(taken, Diagnostics):
            return taken
        return replace(taken, text="\n".join(texts.declarations(self.variables, self.inputs)))

    def _experts(self, rest: str) -> Reply:
        try:
            return Reply(texts.expert(rest) if rest else texts.experts())
        except LookupError as error:
            raise _failure("P0901", str(error)) from error

    def _explain(self, rest: str) -> Reply:
        try:
            return Reply(texts.explanation(rest))
        except LookupError as error:
            raise _failure("P0901", str(error)) from error

    def _help(self, _: str) -> Reply:
        shown = [(f"%{c.name} {c.takes}", c.summary) for c in COMMANDS.values()]
        width = max(len(usage) for usage, _ in shown)
        return Reply("\n".join(f"{usage:<{width}}  {summary}" for usage, summary in shown))


@dataclass(frozen=True, slots=True)
class Command:
    """A line that begins with %; ``takes`` is what follows the name, in brackets if it need not."""

    name: str
    takes: str
    summary: str
    run: Callable[[Session, str], Reply | Diagnostics]


COMMANDS: dict[str, Command] = {
    c.name: c
    for c in (
        Command("plan", "", "print the plan, with the reason for every choice", Session._plan),
        Command("run", "[OPTION=VALUE ...] [seed=N]", "run the program", Session._run),
        Command("report", "", "the stages of the last run", Session._report),
        Command("set", "[NAME=VALUE | NAME=@FILE]", "bind an input; list inputs", Session._set),
        Command("list", "", "the program so far", Session._list),
        Command("undo", "", "take back the last change of the program", Session._undo),
        Command("reset", "", "begin anew", Session._reset),
        Command("load", "FILE", "go on with the program of a file", Session._load),
        Command("save", "FILE", "write the program to a file", Session._save),
        Command("experts", "[NAME]", "what can be multiplied", Session._experts),
        Command("explain", "CODE", "what an error means", Session._explain),
        Command("help", "", "this list", Session._help),
    )
}


def assignments(text: str) -> dict[str, str]:
    """Names and values of ``particles=50, kernel = mala(steps = 2) seed=1``.

    Raises:
        PoeError: the text is something else.
    """
    found = [*words(text, Span(0, len(text))), Word("end", "", Span(len(text), len(text)))]
    heads: list[tuple[Word, Word]] = []
    depth = 0
    for word, after in pairwise(found):
        depth += (word.text in CLOSERS) - (word.text in CLOSERS.values())
        if depth == 0 and word.kind in ("name", "keyword") and after.text == "=":
            heads.append((word, after))
    if not text.strip():
        return {}
    if not heads or heads[0][0] is not found[0]:
        raise _failure("P0901", f"options are NAME=VALUE, and this is {text!r}")
    ends = [*(head.span.start for head, _ in heads[1:]), len(text)]
    return {
        head.text: text[sign.span.end : end].strip().rstrip(", ")
        for (head, sign), end in zip(heads, ends, strict=True)
    }


def _given(text: str, type_name: str) -> Any:
    """A value for an input; a text may stand in quotes."""
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return texts.read_value(text, type_name)


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise _failure("P0901", f"`{name}` is a whole number, and this is {text!r}") from error


def _failure(code: str, message: str, **more: Any) -> PoeError:
    return PoeError((Diagnostic(code, message, **more),))


def _as_commands(d: Diagnostic) -> Diagnostic:
    """What is advised for the command line, as commands of the session."""
    return replace(d, notes=tuple(n.replace("`--set ", "`%set ") for n in d.notes))
