"""Notes on the prompts that language models with a chat template read."""

from __future__ import annotations

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Const


def chat_notes(plan: PlanSpec) -> tuple[str, ...]:
    """A note for each factor whose prompt is put through a chat template."""
    return tuple(
        f"{where} reads its chat through the template of its tokenizer, up to the beginning of "
        "the answer; the tokens that end a turn end the text"
        for call, where in plan.calls()
        if (signature := plan.find_signature(call.function)) is not None
        and signature.parameter("chat") is not None
        and dict(call.kwargs).get("chat", Const(None)) != Const(None)
    )
