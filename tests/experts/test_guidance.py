"""Classifier-free guidance as one field of any network."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from poedsl.experts.flows.guidance import Condition, Guidance


class Network:
    """A prediction that depends on each row of its condition; calls are noted."""

    def __init__(self) -> None:
        self.rows: list[int] = []

    def __call__(self, x: Tensor, condition: Condition) -> Tensor:
        tokens, pooled = condition
        assert len(tokens) == len(pooled) == len(x)
        self.rows.append(len(x))
        return x * tokens.mean(1)[:, None] + pooled.sum(1)[:, None, None]


def encode(text: str) -> Condition:
    g = torch.Generator().manual_seed(len(text))
    tokens = torch.randn(1, 3 + len(text) // 4, 5, generator=g)
    return tokens, torch.randn(1, 2, generator=g)


def points() -> Tensor:
    return torch.randn(4, 6, 5, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize(("negative", "rows"), [("ab", [8]), ("a longer one", [4, 4])])
def test_the_field_is_u_plus_g_times_c_minus_u(negative: str, rows: list[int]) -> None:
    network, x = Network(), points()
    guidance = Guidance.of(encode, "cat", negative, 2.5)
    field = guidance(network, x)
    assert network.rows == rows and guidance.calls == 2
    c, u = (Guidance(encode(text))(network, x) for text in ("cat", negative))
    torch.testing.assert_close(field, 2.5 * c - 1.5 * u)


def test_at_scale_one_the_negative_prompt_is_not_encoded() -> None:
    network, x, read = Network(), points(), []

    def noted(text: str) -> Condition:
        read.append(text)
        return encode(text)

    guidance = Guidance.of(noted, "cat", "dog", 1.0)
    torch.testing.assert_close(guidance(network, x), network(x, guidance_rows("cat", len(x))))
    assert read == ["cat"] and guidance.calls == 1


def guidance_rows(text: str, count: int) -> Condition:
    return tuple(t.expand(count, *t.shape[1:]) for t in encode(text))


def test_a_kept_norm_is_that_of_the_conditional_prediction() -> None:
    network, x = Network(), points()
    plain = Guidance.of(encode, "cat", "", 4.0)(network, x)
    field = Guidance.of(encode, "cat", "", 4.0, keep_norm=True)(network, x)
    c = Guidance(encode("cat"))(network, x)
    torch.testing.assert_close(field.norm(dim=-1), c.norm(dim=-1))
    cosines = torch.nn.functional.cosine_similarity(field, plain, dim=-1)
    torch.testing.assert_close(cosines, torch.ones_like(cosines))
