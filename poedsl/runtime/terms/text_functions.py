"""Functions of texts."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from poedsl.compiler.functions.function import ArgumentError
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.terms import Apply, Ref, Term
from poedsl.runtime.terms.environment import Environment as Environment


def read_each(
    function: str, texts: list[Any], others: list[Any], env: Environment
) -> Shaped[Tensor, " _"]:
    """A function of each of some texts."""
    evaluated = FUNCTIONS[function].fold
    if evaluated is None or not all(isinstance(v, str) for v in (*texts, *others)):
        raise ValueError(f"`{function}` reads text, and this run holds none there")
    try:
        results = [evaluated(text, *others) for text in texts]
    except ArgumentError as error:
        raise ValueError(f"in `{function}` {error}") from error
    kind = env.dtype if function == "length" else torch.bool
    return torch.tensor(results, dtype=kind, device=env.device)


def variable(term: Term) -> str:
    """The name of what a term is the whole or a part of; empty where it is neither."""
    match term:
        case Ref(name):
            return name
        case Apply("index", (inner, *_)):
            return variable(inner)
        case _:
            return ""
