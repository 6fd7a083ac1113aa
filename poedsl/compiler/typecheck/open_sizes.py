"""Open sizes of inputs, taken from the values that they are passed to or compared with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from poedsl.compiler.plan.terms import Ref
from poedsl.compiler.typecheck.declarations import check_let
from poedsl.compiler.typecheck.loops import factors_in, names_bound_within
from poedsl.compiler.typecheck.products import factors_of
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.typed import POISON, POISONED, Typed, fits
from poedsl.grammar import tree
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import children
from poedsl.grammar.types import Type, unify


def close_sizes(checker: ProgramChecker, statements: tuple[tree.Statement, ...]) -> None:
    """Fill open sizes of inputs from parameters, aligned variables and compared variables."""
    hidden = names_bound_within(statements)
    for name, required, place in required_types(checker, statements, hidden):
        common = unify(checker.environment[name].type, required)
        if common not in (None, checker.inputs[name].type):
            checker.environment[name] = Typed(Ref(name), common)
            checker.inputs[name] = replace(checker.inputs[name], type=common)
            checker.places[name] = place
    both_ways = (*aligned_pairs(checker, statements), *compared_pairs(checker, statements))
    pairs = [(variable, name) for variable, name in both_ways if name not in hidden]
    changed = True
    while changed:
        changed = False
        for variable, name in pairs:
            a, b = checker.environment[variable].type, checker.environment[name].type
            count = len(a.sizes) if a.name == b.name else 2
            shared = unify(Type("", a.sizes[-count:]), Type("", b.sizes[-count:]))
            if shared is None:
                continue
            for operand, type_ in ((variable, a), (name, b)):
                closed = replace(type_, sizes=(*type_.sizes[:-count], *shared.sizes))
                if closed != type_:
                    changed = True
                    checker.environment[operand] = Typed(Ref(operand), closed)
                    if operand in checker.inputs:
                        checker.inputs[operand] = replace(checker.inputs[operand], type=closed)
    for let in [s for s in statements if isinstance(s, tree.Let)]:
        if isinstance(checker.environment.get(let.name.name, POISONED).term, Ref):
            check_let(checker, let)


def required_types(
    checker: ProgramChecker, statements: tuple[tree.Statement, ...], hidden: set[str]
) -> Iterator[tuple[str, Type, Span]]:
    """Inputs that are arguments of experts, rewards and sources: name, type required and place.

    Args:
        hidden: names that blocks or comprehensions bind too.
    """
    uses: list[tuple[tree.Name, Type]] = []
    pending: list[tree.Node] = [*reversed(statements)]
    while pending:
        node = pending.pop()
        pending += reversed(children(node))
        match node:
            case tree.Call(function=function) if function.name in checker.signatures:
                signature = checker.signatures[function.name]
                for argument in node.arguments:
                    parameter = signature.parameter(argument.name or "")
                    required = None if parameter is None else parameter.type
                    if isinstance(argument.value, tree.Name) and required is not None:
                        uses.append((argument.value, required))
    for name, required in uses:
        term = checker.environment.get(name.name, POISONED).term
        if name.name not in hidden and isinstance(term, Ref) and term.name in checker.inputs:
            yield term.name, required, name.span


def aligned_pairs(
    checker: ProgramChecker, statements: tuple[tree.Statement, ...]
) -> Iterator[tuple[str, str]]:
    """Variables, each with an input that is a condition of an expert on the whole variable."""
    for factor in factors_in(statements):
        if factor.observed or not isinstance(factor.target, tree.Name):
            continue
        variable = factor.target.name
        for leaf in factors_of(factor.product):
            signature = checker.signature_of(leaf)
            if signature is None or not isinstance(leaf, tree.Call):
                continue
            for argument in leaf.arguments:
                parameter = signature.parameter(argument.name or "")
                value = argument.value
                if (
                    parameter is not None
                    and parameter.aligned
                    and isinstance(value, tree.Name)
                    and value.name in checker.inputs
                    and checker.environment[variable].ok
                    and fits(checker.environment[value.name].type, parameter.type or POISON)
                ):
                    yield variable, value.name


def compared_pairs(
    checker: ProgramChecker, statements: tuple[tree.Statement, ...]
) -> Iterator[tuple[str, str]]:
    """Variables, each with an input of the same kind in a sum or a difference with it."""
    pending: list[tree.Node] = [f.product for f in factors_in(statements)]
    while pending:
        node = pending.pop()
        match node:
            case tree.Binary(op="+" | "-", left=tree.Name(name=a), right=tree.Name(name=b)):
                variable, name = (a, b) if a in checker.variables else (b, a)
                kinds = {checker.environment.get(n, POISONED).type.name for n in (a, b)}
                is_pair = variable in checker.variables and name in checker.inputs
                if is_pair and len(kinds) == 1 and kinds <= {"Image", "Video"}:
                    yield variable, name
            case _:
                pending += children(node)
