"""Types of experts as factors: whether they fit the variable or the part they are over."""

from __future__ import annotations

from poedsl.catalog.signatures import Signature, SignatureParameter
from poedsl.compiler.plan.terms import Ref, Term
from poedsl.compiler.typecheck.model_arguments import check_arguments
from poedsl.compiler.typecheck.model_calls import expert_term
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.target import TypedTarget
from poedsl.compiler.typecheck.typed import Typed, describe, sampled, sized
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Label
from poedsl.grammar.types import Sizes, Type, broadcast, unify


def expert_factor(
    checker: TypeScope, call: tree.Call, signature: Signature, target: TypedTarget
) -> Term | None:
    arguments = check_arguments(checker, call, signature)
    if arguments is None or not target.typed.ok:
        return None
    if target.observed and not signature.describes_data:
        report_no_density(checker, call, signature)
        return None
    if signature.family == "density" or target.observed:
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
    part = f"this part of `{variable}`" if variable else "this"
    subject = f"`{variable}`" if target.whole else part
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
    over = "square matrices" if signature.event_rank > 1 else "vectors"
    if signature.event_rank > len(domain.sizes):
        checker.error(
            "P0303",
            f"`{signature.name}` is over {over}, and {subject} is {sized(domain)}",
            call.span,
            labels=(label,),
        )
        return False
    if signature.event_rank > 1 and unify(*(Type("", (s,)) for s in domain.sizes[-2:])) is None:
        checker.error(
            "P0303",
            f"`{signature.name}` is over {over}, and {subject} is {sized(domain)}",
            call.span,
            labels=(label,),
        )
        return False
    if signature.support.whole and not whole_numbers(checker, call, signature, target, label):
        return False
    for argument in call.arguments:
        assert argument.name is not None
        parameter, typed = signature.parameter(argument.name), arguments[argument.name]
        if signature.is_code and (parameter is None or parameter.role != "matrix"):
            continue
        if problem := misfit(parameter, typed.type.sizes, target, subject):
            labels = [label]
            if (
                target.observed
                and isinstance(typed.term, Ref)
                and typed.term.name in checker.places
            ):
                name = typed.term.name
                labels.append(Label(checker.places[name], f"`{name}` is {sized(typed.type)}"))
            checker.error(
                "P0303",
                f"`{argument.name}` is {describe(typed.type)}, {problem}",
                argument.value.span,
                labels=tuple(labels),
            )
            return False
    return True


def misfit(
    parameter: SignatureParameter | None, sizes: Sizes, target: TypedTarget, subject: str
) -> str:
    """Why a parameter of these sizes does not fit its target; empty where it does."""
    domain = target.typed.type
    if parameter is not None and parameter.role == "matrix":
        square = Type("", (domain.sizes[-1],) * 2)
        fit = unify(Type("", sizes), square) is not None
        return "" if fit else f"and the vectors of {subject} have {domain.sizes[-1]} components"
    more = 0 if parameter is None else parameter.trailing
    if len(sizes) < more:
        return "and has one number for each category"
    over = domain.sizes[: len(domain.sizes) + min(more, 0)]
    wider = broadcast(sizes[: len(sizes) - max(more, 0)], over)
    fit = wider == over
    if target.observed and wider is not None:
        fit = unify(Type("", wider), Type("", over)) is not None
    return "" if fit else f"which does not broadcast to {sized(Type(domain.name, over))}"


def whole_numbers(
    checker: TypeScope, call: tree.Call, signature: Signature, target: TypedTarget, label: Label
) -> bool:
    """Whether the target of a discrete density is data of whole numbers."""
    domain, name = target.typed.type, target.variable
    if target.observed and domain.name in ("Int", "Bool"):
        return True
    if target.observed:
        subject = f"`{name}` is {sized(domain)}" if name else f"this is {sized(domain)}"
        declared = Type("Int", domain.sizes)
        note = f"data of whole numbers are declared so: `input {name or 'y'} : {declared}`"
    else:
        subject = f"`{name}` is a variable"
        note = (
            "a variable is sampled by gradients, which whole numbers have none of; sum it out, as "
            f"`mixture` does, or observe it: `input {name} : Int`"
        )
    message = f"`{signature.name}` is of whole numbers, and {subject}"
    checker.error("P0416", message, call.span, labels=(label,), notes=(note,))
    return False


def report_no_density(checker: TypeScope, call: tree.Call, signature: Signature) -> None:
    """Report an expert that has no density of data with parameters that depend on variables."""
    checker.error(
        "P0416",
        f"`{signature.name}` is not a density of data",
        call.span,
        notes=("data go to an expert as an argument, or to a reward under `exp`",)
        if signature.family != "density"
        else ("densities of the program's own have constant parameters",),
    )
