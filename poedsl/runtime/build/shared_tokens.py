"""The tokens that the experts of one sequence have in common.

Models of one family often have the same tokens and end their texts with different ones: a base
model with the end of a text, one that answers in chats with that of a turn or a text. A product is
over texts, so that one token that ends the texts of all stands for all that do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.grammar.errors import PoeError
from poedsl.runtime.targets.prefixes import SequenceFactor
from poedsl.runtime.terms.refusals import refused


def with_one_end(
    experts: Sequence[SequenceFactor], factors: Sequence[FactorSpec]
) -> tuple[SequenceFactor, ...]:
    """The experts, with one token that ends the texts of a variable.

    Raises:
        PoeError: two experts of a variable have different tokens, or no token ends the texts of
            all (P0711).
    """
    out = list(experts)
    variables = [factor.variables[0] for factor in factors]
    for variable in dict.fromkeys(variables):
        at = [n for n, r in enumerate(experts) if variables[n] == variable and _tokens(r)]
        for n in at[1:]:
            _same_pieces(experts[at[0]], experts[n], factors[n])
        if len({_tokens(experts[n]).end for n in at}) < 2:
            continue
        ends = [_ends(experts[n]) for n in at]
        shared = [end for end in ends[0] if all(end in others for others in ends)]
        if not shared:
            n = next(n for n in at if _tokens(experts[n]).end != _tokens(experts[at[0]]).end)
            reason = "their texts end with different tokens"
            raise _different(experts[at[0]], experts[n], factors[n], reason)
        for n in at:
            expert: Any = experts[n].expert
            out[n] = replace(experts[n], expert=expert.ending_with(shared[0]))
    return tuple(out)


def _tokens(factor: SequenceFactor) -> Any:
    """The vocabulary of an expert; None where it has none."""
    return getattr(factor.expert, "tokens", None)


def _ends(factor: SequenceFactor) -> tuple[int, ...]:
    """The tokens that end the texts of an expert."""
    ends: tuple[int, ...] = getattr(factor.expert, "ends", ())
    return ends


def _same_pieces(first: SequenceFactor, second: SequenceFactor, factor: FactorSpec) -> None:
    """Whether two experts of a variable mean the same by its symbols."""
    mine, yours = _tokens(first).pieces, _tokens(second).pieces
    if mine == yours:
        return
    pairs = enumerate(zip(mine, yours, strict=False))
    difference = next(((n, a, b) for n, (a, b) in pairs if a != b), None)
    if difference is not None:
        number, *pieces = difference
        a, b = (repr(p.decode("utf-8", "replace")) for p in pieces)
        reason = f"symbol {number} is {a} for one and {b} for the other"
        raise _different(first, second, factor, reason)
    reason = f"one has {len(mine)} tokens and the other {len(yours)}"
    raise _different(first, second, factor, reason)


def _different(
    first: SequenceFactor, second: SequenceFactor, factor: FactorSpec, reason: str
) -> PoeError:
    return refused(
        "P0711",
        f"`{first.name}` at {first.place} and `{second.name}` have different tokenizers: {reason}",
        "language models go together where they share one",
        factor=factor,
    )
