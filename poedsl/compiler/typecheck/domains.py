"""Domains of variables: declared, or implied by their experts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from poedsl.catalog.signatures import LATENTS
from poedsl.compiler.plan.terms import Ref
from poedsl.compiler.typecheck.loops import element_scope, factors_in, loop_elements
from poedsl.compiler.typecheck.mixtures import mixture_components
from poedsl.compiler.typecheck.products import factors_of
from poedsl.compiler.typecheck.program_checker import ProgramChecker
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISON, POISONED, Typed
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import target_name, variables_of
from poedsl.grammar.types import SAMPLED, Sizes, Type, broadcast, unify


def find_domains(
    checker: ProgramChecker, statements: tuple[tree.Statement, ...], variables: dict[str, Span]
) -> None:
    whole_factors: dict[str, list[tree.Expr]] = {name: [] for name in variables}
    indexed: dict[str, list[tree.Index]] = {name: [] for name in variables}
    for factor in factors_in(statements):
        if factor.observed:
            continue
        name = target_name(factor.target).name
        if isinstance(factor.target, tree.Index):
            indexed[name].append(factor.target)
        else:
            whole_factors[name] += factors_of(factor.product)
        for leaf in factors_of(factor.product):
            check_latent_space(checker, name, leaf)
    for name, factors in whole_factors.items():
        checker.places.setdefault(name, variables[name])
        if indexed[name] and not factors and name not in checker.environment:
            checker.environment[name] = report_no_domain(
                checker, name, variables[name], indexed[name]
            )
            continue
        checker.environment[name] = Typed(Ref(name), domain_of(checker, name, factors, statements))


def report_no_domain(
    checker: ProgramChecker, name: str, span: Span, parts: list[tree.Index]
) -> Typed:
    """Statements on parts alone fix no domain; their indices suggest its size."""
    axes = zip_longest(*(p.items for p in parts))
    sizes = [smallest_size_with([i for i in items if i is not None]) for items in axes]
    fixes: tuple[Fix, ...] = ()
    if 0 not in sizes:
        declared = f"{name} : Real[{', '.join(map(str, sizes))}]"
        first = next(s for s in checker.resolved.program.statements if name in variables_of((s,)))
        at = first.span.start
        edits = (Edit(Span(at, at), f"{declared}\n{checker.source.indent(at)}"),)
        fixes = (Fix(f"declare it above: `{declared}`", edits),)
    return checker.error(
        "P0309",
        f"`{name}` has no domain: there are statements on parts of it only",
        span,
        notes=() if fixes else (f"a declaration says it, such as `{name} : Real[2]`",),
        fixes=fixes,
    )


def check_latent_space(checker: ProgramChecker, name: str, leaf: tree.Expr) -> None:
    """Check that all models of a variable are in the same latent space, or in pixels."""
    signature = checker.signature_of(leaf)
    if signature is None or signature.family != "flow":
        return
    this_expert = (signature.space, signature.name, leaf.span)
    space, other, place = checker.spaces.setdefault(name, this_expert)
    compared_by_a_run = LATENTS in (space, signature.space) and space and signature.space
    if space == signature.space or compared_by_a_run or name in checker.incomplete:
        return
    checker.incomplete.add(name)
    checker.error(
        "P0313",
        f"`{signature.name}` lives in {latent_space_name(signature.space)} and `{other}` in "
        f"{latent_space_name(space)}: their scores cannot be added",
        leaf.span,
        labels=(Label(place, f"`{other}` is here"),),
        notes=("products of models are taken within one latent space",),
    )


def domain_of(
    checker: ProgramChecker,
    name: str,
    factors: list[tree.Expr],
    statements: tuple[tree.Statement, ...],
) -> Type:
    """The domain on which the declaration and the experts of a variable agree."""
    declared = checker.environment.get(name)
    current = declared.type if declared is not None else None
    for factor in factors:
        signature = checker.signature_of(factor)
        if signature is None or signature.domain is None or signature.family == "reward":
            continue
        checker.generated.add(name)
        if current is None:
            current = signature.domain
            checker.places[name] = factor.span
        elif current != POISON:
            common = common_domain(current, signature.domain)
            if common is None and name in checker.incomplete:
                return POISON
            if common is None:
                checker.error(
                    "P0304",
                    f"`{signature.name}` is over {signature.domain}, but `{name}` is {current}",
                    factor.span,
                    labels=(Label(checker.places[name], f"`{name}` is {current} here"),),
                )
                return POISON
            current = common
    if current is not None and current.name == "Real" and not current.is_closed:
        implied = domain_of_densities(checker, name, statements)
        return unify(current, implied) or current
    return domain_of_densities(checker, name, statements) if current is None else current


def domain_of_densities(
    checker: ProgramChecker, name: str, statements: tuple[tree.Statement, ...]
) -> Type:
    """The shape to which the parameters of the densities broadcast, for lack of a declaration."""
    sizes: Sizes = ()
    unreported = replace(checker, diagnostics=[])
    for density in density_shapes(unreported, name, statements):
        wider = broadcast(sizes, density)
        sizes = wider if wider is not None else sizes
    return Type("Real", sizes)


def density_shapes(
    checker: ProgramChecker, name: str, statements: tuple[tree.Statement, ...]
) -> Iterator[Sizes]:
    """The shapes of a variable's densities, in a loop at an element of each type."""
    for statement in statements:
        match statement:
            case tree.Factor(target=tree.Name(name=variable)) if variable == name:
                for leaf in factors_of(statement.product):
                    yield from density_shapes_of(checker, leaf)
            case tree.For() if name in variables_of((statement,)):
                elements = loop_elements(checker, statement)
                typed_elements = elements if isinstance(elements, list) else [POISONED]
                for element in {e.type: e for e in typed_elements}.values():
                    with element_scope(checker, statement, element):
                        yield from density_shapes(checker, name, statement.body)


def density_shapes_of(checker: TypeScope, factor: tree.Expr) -> Iterator[Sizes]:
    """The shapes of the densities in a factor, components of mixtures included."""
    if isinstance(factor, tree.Call | tree.Comprehension) and factor.called == "mixture":
        for _, component in mixture_components(checker, factor):
            yield from density_shapes_of(checker, component)
    signature = checker.signature_of(factor)
    is_density = signature is not None and signature.family == "density"
    if signature is not None and is_density and isinstance(factor, tree.Call):
        sizes: Sizes = ()
        for argument in () if signature.is_code else factor.arguments:
            parameter = signature.parameter(argument.name or "")
            argument_sizes = checker.value(argument.value).type.sizes
            event_sizes = (
                argument_sizes[:-1] if parameter and parameter.role == "matrix" else argument_sizes
            )
            sizes = broadcast(sizes, event_sizes) or sizes
        yield sizes


def check_sampled(checker: ProgramChecker, incomplete: set[str]) -> set[str]:
    """The variables whose type cannot be sampled."""
    out: set[str] = set()
    for name in sorted(checker.variables - incomplete):
        type_ = checker.environment[name].type
        if type_.name not in SAMPLED:
            out.add(name)
            checker.error(
                "P0308",
                f"a variable of type {type_} cannot be sampled",
                checker.places[name],
                notes=("variables are " + ", ".join(sorted(SAMPLED)),),
            )
        elif not type_.is_closed and not is_determined(checker, name):
            out.add(name)
            checker.error(
                "P0309",
                f"the sizes of `{name}` are open, and no expert says what they are",
                checker.places[name],
            )
    return out


def is_determined(checker: ProgramChecker, name: str) -> bool:
    """Whether an expert or inputs say what the open sizes of a variable are."""
    sized = {s.axis for s in checker.sizes if s.name == name}
    sizes = checker.environment[name].type.sizes
    return name in checker.generated or all(
        size is not None or axis in sized for axis, size in enumerate(sizes)
    )


def common_domain(domain: Type, expert_domain: Type) -> Type | None:
    """The domain of a variable with a further expert; a category is a sequence of one symbol."""
    return (
        domain
        if (domain.name, expert_domain.name) == ("Category", "Tokens")
        else unify(domain, expert_domain)
    )


def smallest_size_with(items: list[tree.Expr | tree.Slice]) -> int:
    """The smallest size for which all indices are valid; 0 if they are not constants."""
    ends = []
    for item in items:
        last = item.stop if isinstance(item, tree.Slice) else item
        if not (isinstance(last, tree.Number) and isinstance(last.value, int)):
            return 0
        ends.append(last.value + (not isinstance(item, tree.Slice)))
    return max(ends)


def latent_space_name(space: str) -> str:
    if space == LATENTS:
        return "the latents of its autoencoder"
    return f"the latent space of {space}" if space else "pixels"
