"""Language models with weights in 8 bits, by the profile."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

import poedsl
from poedsl.catalog.profiles import Profile, Quantize
from poedsl.experts.sequences.language_model import LanguageModel
from tests.diagnostics import quoted, refused
from tests.experts.tiny_words import causal

CPU = torch.device("cpu")
INT8 = pytest.param("int8", marks=pytest.mark.skipif(not find_spec("torchao"), reason="no torchao"))


def model(folder: str, how: Quantize) -> LanguageModel:
    profile = Profile(dtype="float32", quantize=how)
    return LanguageModel("ab", folder=folder, profile=profile, device=CPU)


def conditionals(expert: Any) -> torch.Tensor:
    state, first = expert.begin(2)
    _, after = expert.read(state, torch.tensor([[0, 1], [2, 3]]))
    return torch.cat([first[:, None], after], 1).exp()


@pytest.mark.parametrize("how", ["fp8", INT8])
def test_layers_are_in_8_bits_and_the_rest_is_as_it_was(how: Quantize, tmp_path: Path) -> None:
    """fp8 has 3 bits of mantissa, and int8 7 bits of the largest weight of a row."""
    folder = causal(tmp_path, "abcdefgh", end="<end>", width=32, spread=0.2)
    plain, small = model(folder, "none"), model(folder, how)
    error = (conditionals(small) - conditionals(plain)).abs().max()
    assert 0 < float(error) < {"fp8": 0.05, "int8": 0.02}[how]
    written = dict(plain.network.named_parameters())
    for name, weight in small.network.named_parameters():
        if "proj" in name:
            assert weight.dtype == torch.float8_e4m3fn or "Int8" in type(weight).__name__
        else:
            torch.testing.assert_close(weight, written[name], atol=0, rtol=0)


def test_a_program_runs_with_a_quantised_model(tmp_path: Path) -> None:
    folder = causal(tmp_path / "model", "abcd", end="<end>", width=32)
    (tmp_path / "poe.toml").write_text('[profile.small8]\ndtype = "float32"\nquantize = "fp8"\n')
    (tmp_path / "program.poe").write_text('y : Tokens[1]\ny ~ lm("model", "ab")\n')
    plan = poedsl.compile(tmp_path / "program.poe")
    result = plan.run(seed=0, particles=8, profile="small8")
    drawn = result.particles["y"][:, 0]
    small, plain = (conditionals(model(folder, how))[0, 0].log() for how in ("fp8", "none"))
    torch.testing.assert_close(result.log_values["lm"].float(), small[drawn], atol=1e-5, rtol=0)
    assert not torch.allclose(small, plain, atol=1e-3)


@pytest.mark.parametrize("how", ["fp8", INT8])
def test_a_model_without_linear_layers_is_refused(how: Quantize, tmp_path: Path) -> None:
    folder = causal(tmp_path, "abcd", end="<end>", kind="gpt2")
    with refused("P0206") as errors:
        model(folder, how)
    assert "lm" in quoted(errors[0])


@pytest.mark.skipif(find_spec("torchao") is not None, reason="torchao is installed")
def test_torchao_is_named_where_it_is_missing(tmp_path: Path) -> None:
    folder = causal(tmp_path, "abcd", end="<end>")
    with refused("P0703") as errors:
        model(folder, "int8")
    assert "torchao" in errors[0].message and "[int8]" in errors[0].notes[0]
