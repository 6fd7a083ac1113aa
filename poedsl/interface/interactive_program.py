"""A program to which statements are added one by one, with its inputs and its last run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from poedsl.compiler.plan.plan_parts import InputSpec, VariableSpec
from poedsl.compiler.plan.terms import Const
from poedsl.compiler.plan.text import print_term
from poedsl.grammar import tree
from poedsl.grammar.errors import PoeError
from poedsl.grammar.parsing.parser import parse, parse_expression
from poedsl.grammar.source import Source, Span
from poedsl.grammar.traversal import names_in
from poedsl.interface.descriptions import declarations
from poedsl.interface.draft import Draft, Entry, entries
from poedsl.interface.replies import Diagnostics, Reply
from poedsl.plan import Plan, plan_of

if TYPE_CHECKING:
    from poedsl.runtime.results.result import Result

#: The number of characters of a value that are shown.
_SHOWN = 400


class InteractiveProgram:
    """A program, the values of its inputs, and the result of its last run.

    A statement is added unless it has an error that no later statement can resolve. A new
    declaration of a name replaces the earlier one, as does `sample`; `x ~ ...` adds factors.

    Args:
        allow_code: whether runs may run the code that `use` statements name.
        progress: whether runs show their progress on standard error, where that is a terminal.
        profile: of runs that name none, as of `Plan.run`.

    Attributes:
        draft: the program.
        history: earlier drafts, the last one first to be restored.
        bindings: values of its inputs, by name.
        result: of the last run; None before.
    """

    def __init__(
        self, *, allow_code: bool = False, progress: bool = False, profile: str = "default"
    ) -> None:
        self.allow_code = allow_code
        self.progress = progress
        self.profile = profile
        self.draft = Draft()
        self.bindings: dict[str, Any] = {}
        self.result: Result | None = None
        self.history: list[Draft] = []
        self._count = 0

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
        """Names that the program declares, and its inputs."""
        declared = {e.declares for e in self.draft.entries if e.declares is not None}
        checked = {i.name for i in self.inputs} | {v.name for v in self.variables}
        return frozenset((declared - {"sample"}) | checked)

    def plan(self) -> Plan:
        """The plan of the program, with the values of its inputs bound.

        Raises:
            PoeError: the program has errors or is incomplete, or a value does not fit its input.
        """
        compiled = self.draft.compiled
        if compiled.plan is None:
            raise PoeError(self.draft.notable, self.draft.source)
        plan = replace(plan_of(compiled, self.draft.base), allow_code=self.allow_code)
        names = {i.name for i in self.inputs}
        return plan.bind(**{n: v for n, v in self.bindings.items() if n in names})

    def __repr__(self) -> str:
        statements = f"{len(self.draft.entries)} statements"
        run = "no run yet" if self.result is None else f"last run {self.result.verdict}"
        return f"{type(self).__name__}({statements}, {len(self.inputs)} inputs, {run})"

    # Statements and expressions.

    def add(self, text: str) -> Reply | Diagnostics:
        """Add the statements of a text to the program, or evaluate an expression."""
        source = Source(text, f"<repl:{self._count + 1}>")
        program, diagnostics = parse(source)
        if any(d.is_error for d in diagnostics):
            expr, problems = parse_expression(source)
            self._count += 1
            if expr is not None:
                return self._expression(source)
            alone = not program.statements and [d.code for d in diagnostics] == ["P0116"]
            return Diagnostics(problems if alone else diagnostics, source)
        if not program.statements:
            return Reply()
        self._count += 1
        new = tuple(entries(source, program))
        draft, replaced = self.draft.extended(new)
        return self.replace_draft(draft, source, [f"in place of `{e.line}`" for e in replaced])

    def replace_draft(self, draft: Draft, source: Source, lines: list[str]) -> Reply | Diagnostics:
        """Make a draft the program, unless it has errors.

        Args:
            source: of the new statements. lines: of the reply, before the implied declarations.
        """
        if draft.refused:
            return Diagnostics(tuple(draft.located(d, source) for d in draft.refused), source)
        before = {(v.name, v.type) for v in self.variables}
        before |= {(i.name, i.type) for i in self.inputs}
        self.history.append(self.draft)
        self.draft = draft
        declared = {e.declares for e in draft.entries}
        variables = [v for v in self.variables if (v.name, v.type) not in before]
        inputs = [i for i in self.inputs if (i.name, i.type) not in before]
        implied = declarations(
            [v for v in variables if v.name not in declared],
            [i for i in inputs if i.name not in declared],
        )
        warnings = draft.warnings(source)
        return Reply(
            "\n".join([*lines, *implied]),
            warnings=Diagnostics(warnings, source) if warnings else None,
        )

    def _expression(self, source: Source) -> Reply | Diagnostics:
        """The value of an expression in the scope of the program."""
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
