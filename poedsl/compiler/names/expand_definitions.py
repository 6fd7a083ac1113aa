"""Pass 1, definitions: a call of an ``expert`` that the program defines becomes its product.

The result is a program without definitions. Ambient arguments inside a definition come from its
parameters only, and are written out here; every other name of its body is the program's. A block
or comprehension around a call that binds such a name binds a fresh one in its place (Kohlbecker
et al., "Hygienic macro expansion", 1986).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from poedsl.catalog.registry import SIGNATURES
from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.definition_calls import argument_values
from poedsl.compiler.names.definitions import add_definition
from poedsl.compiler.names.expansion import Expansion
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.names.substitution import bind, substitute, substitute_argument, unused_name
from poedsl.compiler.plan.terms import MOST_LEVELS
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.traversal import names_in, node_count, operator_chain, variables_of

NO_RENAMES: Mapping[str, str] = {}
#: The most calls that definitions may expand to.
MOST_CALLS = 10_000
#: The most nodes of the syntax tree that definitions may expand to.
MOST_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Expanded:
    """A program without definitions.

    Attributes:
        passed: the arguments of every call, for the types of parameters.
        unused: definitions that no product calls.
        broken: definitions with a call that could not be expanded.
        renamed: names introduced by the expansion, each with the name in the text.
    """

    program: tree.Program
    passed: tuple[PassedArgument, ...] = ()
    definitions: tuple[tree.ExpertDefinition, ...] = ()
    unused: tuple[tree.ExpertDefinition, ...] = ()
    broken: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict)


def expand(
    program: tree.Program, signatures: Mapping[str, Signature]
) -> tuple[Expanded, tuple[Diagnostic, ...]]:
    """Replace every call of an expert that the program defines by its product."""
    variables = frozenset(variables_of(program.statements))
    expansion = Expansion(signatures, names_in(program), variables)
    every = [s for s in program.statements if isinstance(s, tree.ExpertDefinition)]
    definitions = [d for d in every if add_definition(expansion, d)]
    others = [s for s in program.statements if not isinstance(s, tree.ExpertDefinition)]
    statements = tuple(expand_statement(expansion, s) for s in others)
    passed = tuple(expansion.passed)
    used = {*expansion.called, *SIGNATURES}
    unused = [d for d in definitions if d.name.name not in used]
    expanded = Expanded(
        replace(program, statements=statements),
        passed,
        tuple(definitions),
        tuple(replace(d, body=expand_unused_body(expansion, d)) for d in unused),
        frozenset(expansion.broken),
        expansion.renamed,
    )
    return expanded, tuple(expansion.diagnostics)


def expand_statement(
    expansion: Expansion, statement: tree.Statement, scope: Mapping[str, str] = NO_RENAMES
) -> tree.Statement:
    """The statement without calls of definitions, its names replaced by those of the scope."""
    match statement:
        case tree.Factor():
            expansion.place, expansion.scope = statement.span, scope
            target = substitute(statement.target, scope)
            assert isinstance(target, tree.Name | tree.Index)
            product = expand_product(expansion, substitute(statement.product, scope))
            return replace(statement, target=target, product=product)
        case tree.For():
            return expand_loop(expansion, statement, scope)
        case _:
            return statement


def expand_loop(expansion: Expansion, statement: tree.For, scope: Mapping[str, str]) -> tree.For:
    iterable = substitute(statement.iterable, scope)
    clashing = names_in_definitions(expansion, statement) - expansion.variables
    constants = [s.name for s in statement.body if isinstance(s, tree.Let)]
    fresh = {
        name: introduce_name(expansion, name)
        for name in dict.fromkeys(n.name for n in (statement.target, *constants))
        if name in clashing
    }
    target, scope = bind(statement.target, fresh, scope)
    body: list[tree.Statement] = []
    for inner in statement.body:
        if isinstance(inner, tree.Let):
            value = substitute(inner.value, scope)
            name, scope = bind(inner.name, fresh, scope)
            body.append(replace(inner, name=name, value=value))
        else:
            body.append(expand_statement(expansion, inner, scope))
    return replace(statement, target=target, iterable=iterable, body=tuple(body))


def expand_comprehension(expansion: Expansion, expr: tree.Comprehension) -> tree.Comprehension:
    outside, around = expansion.scope, expansion.binders
    name = expr.target.name
    fresh = (
        {name: introduce_name(expansion, name)}
        if name in names_in_definitions(expansion, expr)
        else {}
    )
    target, scope = bind(expr.target, fresh, outside)
    expansion.scope, expansion.binders = scope, (*around, (target, expr.iterable))
    body = expand_component(expansion, substitute_argument(expr.body, fresh))
    expansion.scope, expansion.binders = outside, around
    return replace(expr, target=target, body=body)


def introduce_name(expansion: Expansion, name: str) -> str:
    """A name that the program does not contain."""
    fresh = unused_name(name, expansion.names | expansion.renamed.keys())
    expansion.renamed[fresh] = name
    return fresh


def names_in_definitions(expansion: Expansion, node: tree.Node) -> set[str]:
    """The names in the definitions that a node calls, other than their parameters."""
    out: set[str] = set()
    reached: set[str] = set()
    pending = names_in(node) & expansion.definitions.keys()
    while pending:
        name = pending.pop()
        reached.add(name)
        definition = expansion.definitions[name]
        parameters, body = definition.parameters, names_in(definition.body)
        out |= body - {p.name.name for p in parameters}
        for part in (part for p in parameters for part in (p.type, p.default) if part is not None):
            out |= names_in(part)
        called = body & expansion.definitions.keys()
        out |= {p.name.name for c in called for p in expansion.definitions[c].parameters}
        pending |= called - reached
    return out


def expand_product(expansion: Expansion, expr: tree.Expr) -> tree.Expr:
    match expr:
        case tree.Binary(op="*" | "/"):
            first, rest = operator_chain(expr)
            out = expand_product(expansion, first)
            for node in rest:
                out = replace(node, left=out, right=expand_product(expansion, node.right))
            return out
        case tree.Binary(op="^", left=left):
            return replace(expr, left=expand_product(expansion, left))
        case tree.Call(function=tree.Name(name="mixture"), arguments=arguments):
            return replace(expr, arguments=tuple(expand_component(expansion, a) for a in arguments))
        case tree.Comprehension(function=tree.Name(name="mixture")):
            return expand_comprehension(expansion, expr)
        case tree.Call(function=function) if function.name in expansion.definitions:
            return expand_call(expansion, expr, expansion.definitions[function.name])
        case _:
            return expr


def expand_component(expansion: Expansion, argument: tree.Argument) -> tree.Argument:
    return replace(argument, value=expand_product(expansion, argument.value))


def expand_call(
    expansion: Expansion, call: tree.Call, definition: tree.ExpertDefinition
) -> tree.Expr:
    name = definition.name.name
    expansion.called.add(name)
    expansion.calls += 1
    if name in expansion.active:
        expansion.error(
            "P0210",
            f"`{name}` is defined by itself",
            call.span,
            notes=(" -> ".join((*expansion.active[expansion.active.index(name) :], name)),),
        )
        return without_arguments(expansion, call)
    if len(expansion.active) > MOST_LEVELS:
        message = f"the program's experts unfold to more than {MOST_LEVELS} levels"
        expansion.error("P0506", message, call.span)
        expansion.called |= expansion.definitions.keys()
        return without_arguments(expansion, call)
    if expansion.calls > MOST_CALLS:
        if expansion.calls == MOST_CALLS + 1:
            message = f"the program's experts unfold to more than {MOST_CALLS:,} calls"
            expansion.error("P0506", message, call.span)
        return without_arguments(expansion, call)
    first = len(expansion.passed)
    values = argument_values(expansion, call, definition)
    if values is None or exceeds_node_limit(expansion, call, *values.values()):
        return without_arguments(expansion, call)
    expansion.active.append(name)
    body = expand_product(expansion, substitute(definition.body, values))
    expansion.active.pop()
    if not expansion.active and exceeds_node_limit(expansion, call, body):
        del expansion.passed[first:]
        return without_arguments(expansion, call)
    return body


def exceeds_node_limit(expansion: Expansion, call: tree.Call, *unfolded: tree.Expr) -> bool:
    """Whether arguments that are copied to many places have made the program too large."""
    reported = expansion.size > MOST_NODES
    expansion.size += sum(map(node_count, unfolded))
    if expansion.size > MOST_NODES and not reported:
        message = f"the program's experts unfold to more than {MOST_NODES:,} parts"
        expansion.error("P0506", message, call.span)
        expansion.called |= expansion.definitions.keys()
    return expansion.size > MOST_NODES


def expand_unused_body(expansion: Expansion, definition: tree.ExpertDefinition) -> tree.Expr:
    """The product that a definition stands for, its parameters left as they are."""
    expansion.active = [definition.name.name]
    return expand_product(expansion, definition.body)


def without_arguments(expansion: Expansion, call: tree.Call) -> tree.Call:
    """A call with an error, about which nothing more is reported."""
    expansion.broken.add(call.function.name)
    return replace(call, arguments=())
