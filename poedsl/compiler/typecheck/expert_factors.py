"""Types of experts as factors: whether they fit the variable or the part they are over."""

from __future__ import annotations

from poedsl.catalog.signatures import Signature
from poedsl.compiler.plan.terms import Ref, Term
from poedsl.compiler.typecheck.model_arguments import check_arguments
from poedsl.compiler.typecheck.model_calls import expert_term
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import Typed, describe, sampled, sized
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.types import Type, broadcast, unify


def expert_factor(
    checker: TypeScope, call: tree.Call, signature: Signature, target: TypedTarget
) -> Term | None:
    arguments = check_arguments(checker, call, signature)
    if arguments is None or not target.typed.ok:
        return None
    if signature.family == "density":
        fits = parameters_fit_target(checker, call, signature, arguments, target)
    else:
        fits = domain_fits_target(checker, call, signature, target) and conditions_fit_target(
            checker, call, signature, arguments, target
        )
    return expert_term(call, signature, arguments) if fits else None


def domain_fits_target(
    checker: TypeScope, call: tree.Call, signature: Signature, target: TypedTarget
) -> bool:
    """Whether a model is over what the part is; for whole variables the domain has said so."""
    domain, over = target.typed.type, signature.domain
    if target.whole or over is None or unify(domain, over) is not None:
        return True
    checker.error(
        "P0304",
        f"`{signature.name}` is over {over}, and this part of `{target.variable}` is {domain}",
        call.span,
        labels=(Label(target.span, f"{domain} here"),),
    )
    return False


def conditions_fit_target(
    checker: TypeScope,
    call: tree.Call,
    signature: Signature,
    arguments: dict[str, Typed],
    target: TypedTarget,
) -> bool:
    """Whether conditions have the height and width of what the model is over."""
    target_sizes = target.typed.type.sizes[-2:]
    for argument in call.arguments:
        parameter = signature.parameter(argument.name or "")
        if parameter is None or not parameter.aligned:
            continue
        typed = arguments[parameter.name]
        pairs = zip(typed.type.sizes[-2:], target_sizes, strict=False)
        if not any(None not in pair and pair[0] != pair[1] for pair in pairs):
            continue
        subject = f"`{target.variable}`" if target.whole else f"this part of `{target.variable}`"
        labels = [Label(target.span, f"{subject} is {sampled(target.typed.type)}")]
        if isinstance(typed.term, Ref) and typed.term.name in checker.places:
            name = typed.term.name
            labels.append(Label(checker.places[name], f"`{name}` is {typed.type} here"))
        if target.whole and checker.places[target.variable] != target.span:
            place = checker.places[target.variable]
            labels[0] = Label(place, f"{subject} is {target.typed.type} here")
        checker.error(
            "P0303",
            f"`{parameter.name}` of `{signature.name}` has the height and width of what it is "
            f"for: {sampled(target.typed.type)}, and this has {sampled(typed.type)}",
            argument.value.span,
            labels=tuple(labels),
            notes=("`crop(x, box)` takes a part, `resize(x, height, width)` changes sizes",),
        )
        return False
    return True


def parameters_fit_target(
    checker: TypeScope,
    call: tree.Call,
    signature: Signature,
    arguments: dict[str, Typed],
    target: TypedTarget,
) -> bool:
    """Whether parameters broadcast to the variable's domain, a matrix to its last size."""
    variable, domain = target.variable, target.typed.type
    subject = f"`{variable}`" if target.whole else f"this part of `{variable}`"
    place = checker.places[variable] if target.whole else target.span
    label = Label(place, f"{subject} is {sized(domain)}")
    if not domain.is_numeric:
        checker.error(
            "P0304",
            f"`{signature.name}` is over numbers, and {subject} is {domain}",
            call.span,
            labels=(label,),
        )
        return False
    if signature.event_rank > len(domain.sizes):
        checker.error(
            "P0303",
            f"`{signature.name}` is over vectors, and {subject} is {sized(domain)}",
            call.span,
            labels=(label,),
        )
        return False
    for argument in call.arguments:
        assert argument.name is not None
        parameter, typed = signature.parameter(argument.name), arguments[argument.name]
        sizes = typed.type.sizes
        if parameter is not None and parameter.role == "matrix":
            square = Type("", (domain.sizes[-1],) * 2)
            fit = unify(Type("", sizes), square) is not None
            problem = f"and the vectors of {subject} have {domain.sizes[-1]} components"
        else:
            fit = signature.is_code or broadcast(sizes, domain.sizes) == domain.sizes
            problem = f"which does not broadcast to {sized(domain)}"
        if not fit:
            checker.error(
                "P0303",
                f"`{argument.name}` is {describe(typed.type)}, {problem}",
                argument.value.span,
                labels=(label,),
            )
            return False
    return True
