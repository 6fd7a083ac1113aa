"""Pass 1, names: every name gets a declaration, every expert call all its arguments.

The result is again a program, and prints as one: free names have become ``input`` statements,
arguments stand under their parameters' names, ambient arguments and the subject of a reward are
written out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from poedsl.compiler.functions import FUNCTIONS
from poedsl.compiler.names import count, sizes_of, spoken, target_name, targets_in, type_expr
from poedsl.compiler.plan import Origin
from poedsl.experts.signatures import SIGNATURES, Parameter, Signature
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import Type, unify

#: Words with a meaning of their own in call position, beside functions, experts and rewards.
CONSTRUCTS = ("exp", "where", "mixture")
#: The argument by which a reward says what it judges.
SUBJECT = "subject"


#: Functions of the language that this release does not compile.
LATER = frozenset({"blur", "contains", "crop", "frames"})


@dataclass(frozen=True, slots=True)
class Resolved:
    """The explicit program.

    Attributes:
        origins: for each inferred input how it came about, and where.
        incomplete: variables of which a statement is left out, or has an error.
        unread: names in the lines that could not be read: they may be declared there.
    """

    program: tree.Program
    origins: dict[str, tuple[Origin, Span]]
    incomplete: frozenset[str] = frozenset()
    unread: frozenset[str] = frozenset()


def resolve(
    program: tree.Program, *, strict: bool = False, unread: frozenset[str] = frozenset()
) -> tuple[Resolved, tuple[Diagnostic, ...]]:
    """Resolve names.

    Args:
        strict: refuse inputs that are not declared.
        unread: names in lines with a syntax error, of which nothing is said.
    """
    first = program.statements[0].span.start if program.statements else 0
    resolver = _Resolver(strict, unread, first, used=set(unread))
    resolver.declare(program.statements)
    body = [s for s in map(resolver.statement, program.statements) if s is not None]
    inferred = [resolver.inferred[name] for name in resolver.inferred]
    explicit = replace(program, statements=(*inferred, *body))
    resolver.samples([s for s in program.statements if isinstance(s, tree.Sample)])
    resolver.lint(program)
    incomplete = frozenset(resolver.incomplete | (unread & resolver.variables))
    return (
        Resolved(explicit, resolver.origins, incomplete, unread),
        tuple(resolver.diagnostics),
    )


def near(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` is most likely a slip of."""
    found = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.75)
    return found[0] if found else None


def near_fix(name: str, span: Span, known: Iterable[str], what: str) -> tuple[Fix, ...]:
    found = near(name, known)
    if found is None:
        return ()
    return (Fix(f"there is {what} with a similar name: `{found}`", (Edit(span, found),)),)


@dataclass(slots=True)
class _Resolver:
    strict: bool
    unread: frozenset[str]
    first: int
    used: set[str]
    diagnostics: list[Diagnostic] = field(default_factory=list)
    declared: dict[str, Span] = field(default_factory=dict)
    visible: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)
    experts: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    inferred: dict[str, tree.Input] = field(default_factory=dict)
    origins: dict[str, tuple[Origin, Span]] = field(default_factory=dict)

    def error(self, code: str, message: str, span: Span, **more: Any) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, **more))

    # Declarations come first, so that a near miss can name what is declared below it.

    def declare(self, statements: Iterable[tree.Statement]) -> None:
        for statement in statements:
            match statement:
                case tree.Input(name=name) | tree.Let(name=name):
                    self._declare(name)
                case tree.Use(name=name) | tree.ExpertDefinition(name=name):
                    self.experts.add(name.name)
                case tree.Domain(name=name):
                    if name.name in self.domains or name.name not in self.variables:
                        self._declare(name)
                    self.domains.add(name.name)
                    self.variables.add(name.name)
                case tree.Factor(target=target):
                    self._target(target_name(target))
                case tree.For(body=body):
                    self.declare(body)
                case tree.Sample():
                    pass

    def _target(self, name: tree.Name) -> None:
        if name.name in self.declared and name.name not in self.variables:
            self.error(
                "P0203",
                f"`{name.name}` is not a variable: it has a value already",
                name.span,
                labels=(Label(self.declared[name.name], "declared here"),),
            )
            return
        self.declared.setdefault(name.name, name.span)
        self.variables.add(name.name)

    def _declare(self, name: tree.Name) -> None:
        if name.name in self.declared:
            self._twice(name)
        else:
            self.declared[name.name] = name.span

    def _twice(self, name: tree.Name) -> None:
        self.error(
            "P0203",
            f"`{name.name}` is declared twice",
            name.span,
            labels=(Label(self.declared[name.name], "first declared here"),),
        )

    # Statements.

    def statement(self, statement: tree.Statement) -> tree.Statement | None:
        """The statement with its names resolved, or None where it is left out."""
        match statement:
            case tree.Input(name=name, default=default):
                type_ = self.type(statement.type)
                resolved = replace(statement, type=type_, default=default and self.value(default))
                return resolved if self.first_of(name) else None
            case tree.Let(name=name, value=value):
                let = replace(statement, value=self.value(value))
                return let if self.first_of(name) else None
            case tree.Domain(name=name):
                domain = replace(statement, type=self.type(statement.type))
                first = name.name in self.domains
                self.domains.discard(name.name)
                self.visible.add(name.name)
                return domain if first else None
            case tree.Factor(target=tree.Name() as target, given=None):
                product = self.product(statement.product, target)
                self.visible.add(target.name)
                known = target.name in self.variables
                return replace(statement, product=product) if known else None
            case tree.Sample():
                self.used |= spoken(statement.method)
                return statement
            case _:
                self.unsupported(statement)
                return None

    def first_of(self, name: tree.Name) -> bool:
        """Makes a name visible; whether this is its declaration, and not a second one."""
        self.visible.add(name.name)
        return self.declared[name.name] == name.span

    def type(self, type_: tree.TypeExpr) -> tree.TypeExpr:
        for size in type_.sizes or ():
            if size != tree.Name(name="_"):
                self.value(size)
        return type_

    def unsupported(self, statement: tree.Statement) -> None:
        """What is read and not compiled is complete as far as other statements are concerned."""
        self.used |= spoken(statement)
        self.incomplete |= targets_in((statement,))
        what = {
            tree.Use: "`use`",
            tree.ExpertDefinition: "a definition of an `expert`",
            tree.For: "`for`",
        }.get(type(statement), "a factor on a part of a variable")
        if isinstance(statement, tree.Factor) and statement.given is not None:
            what = "`given`"
        self.error(
            "P0505",
            f"{what} is in the language, but this release does not compile it",
            statement.span,
        )

    def samples(self, statements: list[tree.Sample]) -> None:
        """One statement, for all variables."""
        for statement in statements:
            for name in statement.names:
                if name.name not in self.variables and name.name not in self.unread:
                    self.error(
                        "P0504",
                        f"`{name.name}` is not a variable of this program",
                        name.span,
                        fixes=near_fix(name.name, name.span, self.variables, "a variable"),
                    )
        for later in statements[1:]:
            self.error(
                "P0505",
                "this release compiles one `sample` statement for all variables of a program",
                later.span,
                labels=(Label(statements[0].span, "the first one"),),
            )
        if len(statements) == 1:
            self.sampled(statements[0])

    def sampled(self, statement: tree.Sample) -> None:
        named = [n.name for n in statement.names]
        missing = [v for v in self.declared if v in self.variables and v not in named]
        if missing and set(named) <= self.variables:
            last = statement.names[-1].span
            listed = ", ".join(missing)
            self.error(
                "P0505",
                "this release samples all variables of a program together, and not "
                + " and ".join(f"`{n}`" for n in named)
                + " alone",
                statement.names[0].span.to(last),
                fixes=(
                    Fix(
                        f"name the others too: `{', '.join((*named, *missing))}`",
                        (Edit(Span(last.end, last.end), f", {listed}"),),
                    ),
                ),
            )

    # Products: experts, rewards under `exp`, conditions, powers.

    def product(self, expr: tree.Expr, target: tree.Name) -> tree.Expr:
        match expr:
            case tree.Binary(op="*" | "/", left=left, right=right):
                return replace(
                    expr, left=self.product(left, target), right=self.product(right, target)
                )
            case tree.Binary(op="^", left=left, right=right):
                return replace(
                    expr, left=self.product(left, target), right=self.value(right, target)
                )
            case tree.Call(function=tree.Name(name="mixture"), arguments=arguments):
                return replace(expr, arguments=tuple(self.component(a, target) for a in arguments))
            case tree.Comprehension(function=tree.Name(name="mixture"), target=loop):
                iterable = self.value(expr.iterable)
                hidden = loop.name in self.visible
                self.visible.add(loop.name)
                body = self.component(expr.body, target)
                if not hidden:
                    self.visible.discard(loop.name)
                return replace(expr, iterable=iterable, body=body)
            case tree.Call(function=tree.Name(name="exp" | "where"), arguments=arguments):
                return replace(
                    expr,
                    arguments=tuple(
                        replace(a, value=self.value(a.value, target)) for a in arguments
                    ),
                )
            case tree.Call(function=function) if function.name in SIGNATURES:
                return self.expert(expr, SIGNATURES[function.name], target)
            case _:
                return self.value(expr, target)

    def component(self, argument: tree.Argument, target: tree.Name) -> tree.Argument:
        return replace(
            argument,
            value=self.product(argument.value, target),
            weight=argument.weight and self.value(argument.weight),
        )

    # Values: numbers, conditions, regions, text.

    def value(self, expr: tree.Expr, target: tree.Name | None = None) -> tree.Expr:
        match expr:
            case tree.Name():
                self.reference(expr)
                return expr
            case tree.List(items=items):
                return replace(expr, items=tuple(self.value(i, target) for i in items))
            case tree.Unary(operand=operand):
                return replace(expr, operand=self.value(operand, target))
            case tree.Binary(left=left, right=right):
                return replace(expr, left=self.value(left, target), right=self.value(right, target))
            case tree.Comprehension(function=function):
                self.function(function)
                self.used |= spoken(expr)
                return expr
            case tree.Index(value=inner, items=items):
                return replace(
                    expr,
                    value=self.value(inner, target),
                    items=tuple(self.item(i, target) for i in items),
                )
            case tree.Attribute(value=inner):
                return replace(expr, value=self.value(inner, target))
            case tree.Call(function=function) if function.name in SIGNATURES:
                return self.expert(expr, SIGNATURES[function.name], target)
            case tree.Call(function=function, arguments=arguments):
                self.function(function)
                return replace(
                    expr,
                    arguments=tuple(
                        replace(a, value=self.value(a.value, target)) for a in arguments
                    ),
                )
            case _:
                return expr

    def item(
        self, item: tree.Expr | tree.Slice, target: tree.Name | None
    ) -> tree.Expr | tree.Slice:
        if isinstance(item, tree.Slice):
            return replace(
                item,
                start=item.start and self.value(item.start, target),
                stop=item.stop and self.value(item.stop, target),
            )
        return self.value(item, target)

    def reference(self, name: tree.Name) -> None:
        self.used.add(name.name)
        known = (self.visible, self.variables, self.inferred, self.unread)
        if any(name.name in names for names in known):
            return
        if name.name in self.declared:
            self.error(
                "P0204",
                f"`{name.name}` is used before it is declared",
                name.span,
                labels=(Label(self.declared[name.name], "declared here"),),
            )
            return
        fixes = near_fix(name.name, name.span, self.known(), "something")
        self.used |= {edit.text for fix in fixes for edit in fix.edits}
        notes: tuple[str, ...] = ()
        if name.name in (*SIGNATURES, *FUNCTIONS, *CONSTRUCTS):
            notes = (f"`{name.name}` is called with brackets: `{name.name}(...)`",)
        elif not fixes:
            notes = (
                "a constant is declared by `let`, a value that the caller gives by `input`, "
                f"such as `input {name.name} : Real`",
            )
        self.error(
            "P0201", f"there is nothing named `{name.name}`", name.span, fixes=fixes, notes=notes
        )

    def known(self) -> set[str]:
        return {*self.declared, *self.inferred, *self.visible}

    def function(self, function: tree.Name) -> None:
        if function.name in (*FUNCTIONS, *CONSTRUCTS, *self.experts, *self.unread):
            return
        if function.name in LATER:
            self.error(
                "P0505",
                f"`{function.name}` is in the language, but this release does not compile it",
                function.span,
            )
            return
        known = (*FUNCTIONS, *SIGNATURES, *CONSTRUCTS)
        self.error(
            "P0202",
            f"there is no expert, reward or function named `{function.name}`",
            function.span,
            fixes=near_fix(function.name, function.span, known, "one"),
            notes=("`poe experts` lists what there is",),
        )

    # Calls of experts and rewards: positions become names, what is left out is looked up.

    def expert(self, call: tree.Call, signature: Signature, target: tree.Name | None) -> tree.Call:
        given = self.arguments(call, signature)
        if given is None:
            self.used |= spoken(call)
            if target is not None:
                self.incomplete.add(target.name)
            return replace(call, arguments=())
        arguments: list[tree.Argument] = []
        for parameter in signature.parameters:
            if parameter.name in given:
                argument = given[parameter.name]
                value = self.argument(argument.value, parameter, target)
                if value is not None:
                    arguments.append(replace(argument, name=parameter.name, value=value))
            elif parameter.required and signature.family != "density":
                arguments += self.ambient(call, signature, parameter)
        self.complete(call, signature, given)
        if signature.family == "reward":
            arguments.append(self.subject(given, target))
        return replace(call, arguments=tuple(arguments))

    def arguments(self, call: tree.Call, signature: Signature) -> dict[str, tree.Argument] | None:
        """The arguments by parameter name, or None where they do not fit the signature."""
        given: dict[str, tree.Argument] = {}
        names = [p.name for p in signature.parameters]
        extra = [SUBJECT] if signature.family == "reward" else []
        note = (f"{signature}",)
        fits = True
        for position, argument in enumerate(call.arguments):
            if argument.name is None and position >= len(names):
                self.error(
                    "P0301",
                    f"`{signature.name}` takes {count(len(names), 'argument')}",
                    argument.span,
                    notes=note,
                )
                fits = False
                continue
            name = argument.name or names[position]
            if name not in names + extra:
                self.error(
                    "P0301",
                    f"`{signature.name}` has no parameter `{name}`",
                    argument.name_span,
                    fixes=near_fix(name, argument.name_span, names, "a parameter"),
                    notes=note,
                )
                fits = False
            elif name in given:
                self.error(
                    "P0301",
                    f"`{signature.name}` is given `{name}` twice",
                    argument.span,
                    labels=(Label(given[name].span, "given here already"),),
                )
                fits = False
            else:
                given[name] = argument
        return given if fits else None

    def complete(
        self, call: tree.Call, signature: Signature, given: dict[str, tree.Argument]
    ) -> None:
        """Densities take nothing from the surroundings, and one of each group of alternatives."""
        note = (f"{signature}",)
        for parameter in signature.parameters:
            if parameter.required and signature.family == "density" and parameter.name not in given:
                self.error(
                    "P0301", f"`{signature.name}` needs `{parameter.name}`", call.span, notes=note
                )
        for group in {p.alternative for p in signature.parameters if p.alternative}:
            names = [p.name for p in signature.parameters if p.alternative == group]
            chosen = [given[n] for n in names if n in given]
            if len(chosen) != 1:
                listed = ", ".join(f"`{n}`" for n in names)
                self.error(
                    "P0301",
                    f"`{signature.name}` takes one of {listed}, and has {len(chosen) or 'none'}",
                    chosen[1].span if chosen else call.span,
                    labels=tuple(Label(c.span, "given already") for c in chosen[:1]),
                    notes=note,
                )

    def argument(
        self, value: tree.Expr, parameter: Parameter, target: tree.Name | None
    ) -> tree.Expr | None:
        """The value of an argument, None where it clashes with another use of its name.

        A free name is an input with the parameter's type, unless it nearly is a declared one.
        """
        free = (
            isinstance(value, tree.Name)
            and value.name not in self.declared
            and value.name not in self.visible
            and value.name not in self.unread
        )
        if not free or parameter.type is None or not isinstance(value, tree.Name):
            return self.value(value, target)
        if value.name not in self.inferred and near(value.name, self.declared):
            self.reference(value)
            return value
        return value if self.infer(value, parameter.type, "inferred") else None

    def ambient(
        self, call: tree.Call, signature: Signature, parameter: Parameter
    ) -> list[tree.Argument]:
        """The program's input of the parameter's name, which is one from here on if it was none."""
        name = tree.Name(name=parameter.name, span=call.function.span)
        self.used.add(name.name)
        taken = f"`{signature.name}` takes `{name.name}` from the program, where it is"
        if name.name in self.variables:
            self.error(
                "P0301",
                f"{taken} a variable",
                call.span,
                notes=(f"{signature}", f"give it: `{signature.name}({name.name} = ...)`"),
            )
            return []
        if name.name in self.declared and name.name not in self.visible:
            self.error(
                "P0204",
                f"{taken} declared below",
                call.span,
                labels=(Label(self.declared[name.name], "declared here"),),
            )
            return []
        if name.name not in self.declared and name.name not in self.unread:
            assert parameter.type is not None
            if not self.infer(name, parameter.type, "ambient"):
                return []
        return [tree.Argument(value=name, name=parameter.name, span=call.span)]

    def subject(self, given: dict[str, tree.Argument], target: tree.Name | None) -> tree.Argument:
        if SUBJECT in given:
            return replace(given[SUBJECT], value=self.value(given[SUBJECT].value, target))
        value: tree.Expr = target if target is not None else tree.Nothing()
        return tree.Argument(value=value, name=SUBJECT)

    def infer(self, name: tree.Name, type_: Type, origin: Origin) -> bool:
        """Makes a free name an input; whether it has that type wherever it is used."""
        known = self.inferred.get(name.name)
        if known is not None:
            previous = Type(known.type.name, sizes_of(known.type))
            fits = unify(previous, type_) is not None
            if not fits:
                self.error(
                    "P0302",
                    f"`{name.name}` is taken as {type_} here and as {previous} elsewhere",
                    name.span,
                    labels=(Label(known.span, f"{previous} here"),),
                )
            return fits
        if self.strict:
            self.error(
                "P0205",
                f"`{name.name}` is not declared",
                name.span,
                fixes=(
                    Fix(
                        f"declare it above: `input {name.name} : {type_}`",
                        (Edit(Span(self.first, self.first), f"input {name.name} : {type_}\n"),),
                    ),
                ),
            )
        self.origins[name.name] = (origin, name.span)
        self.inferred[name.name] = tree.Input(name=name, type=type_expr(type_), span=name.span)
        self.used.add(name.name)
        return True

    def lint(self, program: tree.Program) -> None:
        for statement in program.statements:
            if isinstance(statement, tree.Input) and statement.name.name not in self.used:
                self.diagnostics.append(
                    Diagnostic(
                        "P0801",
                        f"the input `{statement.name.name}` is not used",
                        statement.name.span,
                        "warning",
                    )
                )
