"""Names in statements: inputs, constants, domains, factors and loops."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from poedsl.compiler.names.declare import report_duplicate
from poedsl.compiler.names.passed_arguments import PassedArgument
from poedsl.compiler.names.references import resolve_reference
from poedsl.compiler.names.resolve_products import resolve_product
from poedsl.compiler.names.resolve_values import Target, resolve_item, resolve_value
from poedsl.compiler.names.scope import NameScope
from poedsl.compiler.names.substitution import substitute
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import names_in, target_name


def resolve_statement(scope: NameScope, statement: tree.Statement) -> tree.Statement | None:
    """The statement with its names resolved, or None where it is left out."""
    match statement:
        case tree.Input(name=name, default=default):
            type_ = resolve_type(scope, statement.type)
            resolved = replace(
                statement, type=type_, default=default and resolve_value(scope, default)
            )
            return resolved if is_first_declaration(scope, name) else None
        case tree.Let(name=name, value=value):
            let = replace(statement, value=resolve_value(scope, value))
            return let if is_first_declaration(scope, name) else None
        case tree.Domain(name=name):
            domain = replace(statement, type=resolve_type(scope, statement.type))
            first = name.name in scope.domains
            scope.domains.discard(name.name)
            scope.visible.add(name.name)
            return domain if first else None
        case tree.Factor():
            return resolve_factor(scope, statement)
        case tree.For():
            return resolve_loop(scope, statement)
        case tree.Sample():
            scope.used |= names_in(statement.method)
            return statement
        case tree.Report(items=items):
            values = [replace(i, value=resolve_value(scope, i.value)) for i in items]
            return replace(statement, items=tuple(values))
        case tree.Use():
            return statement
        case _:
            return None


def resolve_factor(scope: NameScope, statement: tree.Factor) -> tree.Factor | None:
    name = target_name(statement.target)
    target: Target = statement.target
    if isinstance(target, tree.Index):
        items = tuple(resolve_item(scope, i, None) for i in target.items)
        target = replace(target, items=items)
    before = len(scope.diagnostics)
    product = resolve_product(scope, statement.product, target)
    if len(scope.diagnostics) == before:
        scope.resolved_arguments += [
            resolve_passed_argument(scope, p, target)
            for p in scope.passed.get(statement.span, ())
            if p.parameter.type is not None
        ]
    if statement.given is not None:
        check_given(scope, statement.given, name)
    if name.name in scope.data:
        resolve_reference(scope, name)
        return replace(statement, target=target, product=product, observed=True)
    scope.visible.add(name.name)
    is_variable = name.name in scope.variables
    return replace(statement, target=target, product=product) if is_variable else None


def resolve_passed_argument(
    scope: NameScope, passed: PassedArgument, target: Target
) -> PassedArgument:
    """The argument with its names resolved, inside of the comprehensions around it."""
    binders: list[tuple[tree.Name, tree.Expr]] = []
    with ExitStack() as inside:
        for name, iterable in passed.binders:
            binders.append((name, resolve_value(scope, iterable)))
            inside.enter_context(scope.binding(name.name))
        value = resolve_value(scope, passed.value, target)
    return replace(passed, value=value, binders=tuple(binders))


def check_given(scope: NameScope, parent: tree.Name, target: tree.Name) -> None:
    """Check that the variable after ``given`` is the target itself."""
    scope.used.add(parent.name)
    if parent.name in (target.name, *scope.unreadable):
        return
    scope.incomplete.add(target.name)
    scope.error(
        "P0412",
        f"`{target.name}` is conditioned on its own parents, not on `{parent.name}`",
        parent.span,
        fixes=(Fix(f"write `given {target.name}`", (Edit(parent.span, target.name),)),),
    )


def resolve_loop(scope: NameScope, statement: tree.For) -> tree.For:
    iterable = resolve_value(scope, statement.iterable)
    constants = [s.name for s in statement.body if isinstance(s, tree.Let)]
    for name, role in (
        (statement.target, "run over values"),
        *((c, "be a constant") for c in constants),
    ):
        if name.name in scope.variables:
            scope.incomplete.add(name.name)
            scope.error(
                "P0203",
                f"`{name.name}` is a variable, and cannot {role}",
                name.span,
                labels=(Label(scope.declared[name.name], "the variable"),),
            )
    body: list[tree.Statement] = []
    with scope.binding(statement.target.name), block_constants(scope, constants) as places:
        for inner in statement.body:
            resolved = resolve_block_statement(scope, inner, statement.target, places)
            if resolved is not None:
                body.append(resolved)
    return replace(statement, iterable=iterable, body=tuple(body))


@contextmanager
def block_constants(scope: NameScope, constants: list[tree.Name]) -> Iterator[dict[str, Span]]:
    """The first place of each constant of a block, visible from there to the block's end."""
    places: dict[str, Span] = {}
    for name in constants:
        places.setdefault(name.name, name.span)
    outside, visible = dict(scope.declared), places.keys() & scope.visible
    scope.declared = {**places, **outside}
    yield places
    scope.declared = outside
    scope.visible -= places.keys() - visible


def resolve_block_statement(
    scope: NameScope, statement: tree.Statement, element: tree.Name, places: Mapping[str, Span]
) -> tree.Statement | None:
    """A statement of a block: a factor, a constant or another loop."""
    match statement:
        case tree.Let(name=name, value=value):
            hides_element = name.name in (element.name, *scope.variables)
            if not hides_element and refers_to(value, name.name):
                report_recursion(scope, name)
            resolved = replace(statement, value=resolve_value(scope, value))
            if name.name in scope.variables:
                return None
            if name.span != places[name.name]:
                report_duplicate(scope, name, places[name.name])
                return None
            scope.visible.add(name.name)
            return resolved
        case tree.Factor() | tree.For():
            return resolve_statement(scope, statement)
        case _:
            scope.used |= names_in(statement)
            scope.error(
                "P0413",
                "a block of `for` holds factors, constants and loops",
                statement.span,
                notes=("what is declared once stands outside of the block",),
            )
            return None


def refers_to(value: tree.Expr, name: str) -> bool:
    """Whether a value refers to a name that no comprehension in it binds."""
    return substitute(value, {name: f"{name} elsewhere"}) != value


def report_recursion(scope: NameScope, name: tree.Name) -> None:
    """Report a constant of a block in whose value its own name occurs."""
    outside, shown = scope.declared[name.name], scope.renamed.get(name.name, name.name)
    labels = (Label(outside, f"another `{shown}`"),) if outside != name.span else ()
    scope.error(
        "P0204",
        f"`{shown}` occurs in its own value: a constant of a block is new for each element",
        name.span,
        labels=labels,
        notes=(
            f"a recursion is a scan: `scan({shown} = start: next value for t in list)`",
            f"if the `{shown}` outside of the block is meant, the one inside needs another name",
        ),
    )


def is_first_declaration(scope: NameScope, name: tree.Name) -> bool:
    """Make a name visible; returns whether this is its first declaration."""
    scope.visible.add(name.name)
    return scope.declared[name.name] == name.span


def resolve_type(scope: NameScope, type_: tree.TypeExpr) -> tree.TypeExpr:
    for size in type_.sizes or ():
        if size != tree.Name(name="_"):
            resolve_value(scope, size)
    return type_
