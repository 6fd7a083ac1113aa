"""Arguments have the key of their content."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from PIL import Image

from poedsl.experts.flows.content_keys import content_key

DIFFERENT: list[Any] = [
    None,
    0,
    0.0,
    False,
    "0",
    "",
    "a",
    [],
    (),
    {},
    ["a", "b"],
    ["ab"],
    ["a", ["b"]],
    [["a"], "b"],
    {"a": 1},
    {"a": 2},
    {"b": 1},
    torch.float32,
    torch.bfloat16,
    torch.device("cpu"),
    torch.zeros(2),
    torch.zeros(2, dtype=torch.float64),
    torch.zeros(1, 2),
    torch.tensor(0.0),
    torch.tensor([0.0, 1.0]),
    Image.new("RGB", (2, 3)),
    Image.new("RGB", (3, 2)),
    Image.new("L", (6, 3)),
    Image.new("RGB", (2, 3), "red"),
]


def test_keys_are_those_of_equal_arguments() -> None:
    keys = [content_key(value) for value in DIFFERENT]
    assert all(keys)
    assert len(set(keys)) == len(keys)
    assert content_key({"a": 1, "b": [torch.ones(3)]}) == content_key(
        {"b": [torch.ones(3)], "a": 1}
    )
    strided = torch.arange(6).reshape(2, 3).T
    assert content_key(strided) == content_key(strided.contiguous())
    half = torch.ones(3, dtype=torch.bfloat16)
    assert content_key(half) == content_key(half.clone())


@pytest.mark.parametrize("value", [object(), [lambda: 0], {"a": torch.Generator()}])
def test_others_have_none(value: Any) -> None:
    assert content_key(value) == ""
