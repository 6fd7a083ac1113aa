"""What Python of a program returns is real numbers in a dense tensor, or refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor, complex64

import poedsl
from poedsl.grammar.errors import PoeError

RETURNED: dict[str, Callable[[Tensor], Tensor]] = {
    "sparse": lambda x: x.sum(-1).to_sparse(),
    "complex": lambda x: x.sum(-1).to(complex64),
    "meta": lambda x: x.sum(-1).to("meta"),
}


@pytest.mark.parametrize("kind", RETURNED)
def test_tensors_that_are_no_real_numbers(kind: str) -> None:
    @poedsl.reward
    def judge(x: poedsl.Real[2]) -> poedsl.Real:  # type: ignore[valid-type]
        return RETURNED[kind](x)

    plan = poedsl.compile("x : Real[2]\nx ~ Normal(0, 1) * exp(judge())")
    with pytest.raises(PoeError) as caught:
        plan.run(particles=8, steps=2)
    assert [d.code for d in caught.value.diagnostics] == ["P0708"]
