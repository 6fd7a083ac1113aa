"""Types of calls of rewards and sources."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.catalog.signatures import Required, Returned, Signature
from poedsl.compiler.names.match_arguments import SUBJECT
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.typecheck.model_arguments import check_arguments
from poedsl.compiler.typecheck.scope import TypeScope
from poedsl.compiler.typecheck.typed import POISONED, Typed
from poedsl.grammar import tree
from poedsl.grammar.types import REAL, Sizes, Type


def model_call(checker: TypeScope, call: tree.Call, signature: Signature) -> Typed:
    """A reward, or a source of inputs."""
    if signature.family == "source":
        arguments = check_arguments(checker, call, signature)
        return POISONED if arguments is None else source_result(checker, call, signature, arguments)
    if signature.family != "reward":
        return checker.error(
            "P0403", f"`{signature.name}` is a factor of a product, not a number", call.span
        )
    if not checker.in_reward:
        return checker.error(
            "P0403", f"the reward `{signature.name}` has a place under `exp` only", call.span
        )
    arguments = check_arguments(checker, call, signature)
    return POISONED if arguments is None else Typed(expert_term(call, signature, arguments), REAL)


def source_result(
    checker: TypeScope, call: tree.Call, signature: Signature, arguments: dict[str, Typed]
) -> Typed:
    """What a source returns, its sizes as far as constant arguments say them."""
    term = expert_term(call, signature, arguments)
    fields = tuple((r.name, Type(r.type, sizes_returned(r, term))) for r in signature.returns)
    if len(fields) == 1 and not fields[0][0]:
        return Typed(term, fields[0][1])
    return Typed(term, Type("Record"), fields)


def expert_term(call: tree.Call, signature: Signature, arguments: Mapping[str, Typed]) -> Apply:
    """The call with every parameter written out, in the signature's order."""
    out: list[tuple[str, Term]] = []
    for parameter in signature.parameters:
        if parameter.name in arguments:
            out.append((parameter.name, arguments[parameter.name].term))
        elif not parameter.alternative and not isinstance(parameter.default, Required):
            out.append((parameter.name, Const(parameter.default)))
    if SUBJECT in arguments:
        out.append((SUBJECT, arguments[SUBJECT].term))
    return Apply(signature.name, (), tuple(out), span=call.span)


def sizes_returned(returned: Returned, term: Apply) -> Sizes:
    """Sizes that are arguments of the source, where those are constants."""
    arguments = dict(term.kwargs)
    out: list[int | None] = []
    for size in returned.sizes:
        if isinstance(size, str):
            name, _, element = size.partition(".")
            argument = arguments.get(name)
            value = argument.value if isinstance(argument, Const) else None
            if element and isinstance(value, tuple) and int(element) < len(value):
                value = value[int(element)]
            size = value if isinstance(value, int) else None
        out.append(size)
    return tuple(out)
