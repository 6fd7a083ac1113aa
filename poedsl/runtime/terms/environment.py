"""What the names in a term stand for while it is evaluated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from poedsl.compiler.plan.terms import Term
from poedsl.experts.protocol import Reward, TextReward
from poedsl.experts.sequences.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Environment:
    """Values of names, and the rewards behind calls.

    Attributes:
        values: tensors, (L, ...) for variables and (1, ...) for inputs; texts; regions, four
            fractions each; records of these by attribute, for what sources return and for parts of
            layouts.
        rewards: the function behind each call of a reward, by the call itself.
        dtype: of numbers.
        vocabularies: the text of the symbols of each variable that has a text.
        repeated: while a term is evaluated, the values of what occurs in it more than once, by the
            identities of these terms; None where they are not known yet.
    """

    values: dict[str, Any]
    rewards: dict[Term, Reward | TextReward]
    device: torch.device
    dtype: torch.dtype = torch.float32
    vocabularies: dict[str, Vocabulary] = field(default_factory=dict)
    repeated: dict[int, Any] | None = None

    def with_values(self, values: Mapping[str, Any]) -> Environment:
        return replace(self, values={**self.values, **values})


#: Evaluates a term in an environment.
Evaluate = Callable[[Term, Environment], Any]
