"""Types of inputs, constants and declared domains, in the order of the text."""

from __future__ import annotations

from dataclasses import replace

from poedsl.compiler.functions.constants import constant_value
from poedsl.compiler.plan.plan_parts import InputSpec, LetSpec, SizeSpec
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names, too_large
from poedsl.compiler.typecheck.checked import MOST_NODES
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.type_expressions import is_open, written_type
from poedsl.compiler.typecheck.typed import POISON, Typed, describe, fits
from poedsl.grammar import tree
from poedsl.grammar.traversal import names_in
from poedsl.grammar.types import FROM_FILES, Type


def check_declarations(
    checker: ProgramChecker, statements: tuple[tree.Statement, ...], untyped: set[str]
) -> list[tree.Let]:
    """Type the declarations; returns the constants that depend on variables not yet typed."""
    later: list[tree.Let] = []
    for statement in statements:
        match statement:
            case tree.Input():
                check_input(checker, statement)
            case tree.Domain(name=name):
                type_ = written_type(checker, statement.type)
                checker.environment[name.name] = Typed(Ref(name.name), type_)
                checker.sizes += sizes_of_inputs(checker, name.name, statement.type, type_)
                checker.places[name.name] = statement.span
                untyped.discard(name.name)
            case tree.Let(name=name) if untyped and untyped & names_in(statement.value):
                untyped.add(name.name)
                later.append(statement)
            case tree.Let():
                check_let(checker, statement)
    return later


def sizes_of_inputs(
    checker: ProgramChecker, name: str, written: tree.TypeExpr, type_: Type
) -> list[SizeSpec]:
    """The sizes that are written as expressions of inputs; `_` is none, whatever has that name."""
    pairs = zip(written.sizes or (), type_.sizes, strict=False) if type_ != POISON else ()
    terms = [
        checker.value(expr).term if size is None and not is_open(expr) else None
        for expr, size in pairs
    ]
    return [
        SizeSpec(name, axis, without_constants(checker, term))
        for axis, term in enumerate(terms)
        if isinstance(term, Ref | Apply)
    ]


def without_constants(checker: ProgramChecker, term: Term) -> Term:
    """The term with the values of constants in place of their names."""
    match term:
        case Ref(name) if name in checker.lets:
            return checker.lets[name].term
        case Apply(function, args, kwargs):
            inner = tuple(without_constants(checker, a) for a in args)
            named = tuple((k, without_constants(checker, a)) for k, a in kwargs)
            return Apply(function, inner, named, term.span)
        case _:
            return term


def check_let(checker: ProgramChecker, statement: tree.Let) -> None:
    """A constant: its value if it can be computed, else a name that the run evaluates once."""
    name, typed = (
        statement.name.name,
        within_size_limit(checker, checker.value(statement.value), statement),
    )
    symbolic = isinstance(typed.term, Apply) and typed.type.name != "Region"
    if symbolic and not names(typed.term) & checker.variables:
        checker.lets[name] = LetSpec(name, typed.type, typed.term)
        typed = replace(typed, term=Ref(name))
    checker.environment[name] = typed
    checker.places[name] = statement.name.span


def within_size_limit(checker: ProgramChecker, typed: Typed, statement: tree.Let) -> Typed:
    """The value, or an error when it is too large with all constants substituted."""
    problem = too_large(typed.term, MOST_NODES) if typed.ok else ""
    if not problem:
        return typed
    return checker.error("P0506", f"`{statement.name.name}` {problem}", statement.value.span)


def check_input(checker: ProgramChecker, statement: tree.Input) -> None:
    name = statement.name.name
    type_ = written_type(checker, statement.type)
    checker.sizes += sizes_of_inputs(checker, name, statement.type, type_)
    origin, _ = checker.resolved.origins.get(name, ("declared", statement.span))
    default = (
        None if statement.default is None else check_default(checker, statement.default, type_)
    )
    checker.environment[name] = Typed(Ref(name), type_)
    checker.places[name] = statement.span
    line, column = checker.source.location(statement.span.start)
    place = f"{checker.source.name}:{line}:{column}"
    checker.inputs[name] = InputSpec(name, type_, default, origin, place)


def check_default(checker: ProgramChecker, expr: tree.Expr, type_: Type) -> Term | None:
    typed = checker.value(expr)
    if names_in(expr) & checker.variables:
        checker.error("P0302", "a default is known when the program is compiled", expr.span)
        return None
    if not typed.ok or type_ == POISON:
        return None
    if type_.name in FROM_FILES and isinstance(typed.value, str):
        return typed.term
    if type_.name == typed.type.name == "Region" and isinstance(typed.term, Apply):
        return Const(constant_value(typed.term), expr.span)
    if not isinstance(typed.term, Const):
        checker.error("P0302", "a default is known when the program is compiled", expr.span)
    elif not fits(typed.type, type_):
        checker.error(
            "P0302", f"the default is {describe(typed.type)}, the input is {type_}", expr.span
        )
    return typed.term
