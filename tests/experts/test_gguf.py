"""Language models in GGUF: the same network and tokenizer as in safetensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType, GGUFWriter, TokenType
from gguf.quants import dequantize, quantize
from transformers import Qwen2Config, Qwen2ForCausalLM

import poedsl
from poedsl.catalog.profiles import DEFAULT
from poedsl.experts.sequences.language_model import LanguageModel
from tests.diagnostics import refused

CPU = torch.device("cpu")
TOKENS = [*"abcdef", "ab", "Ġ", "<end>"]
TEMPLATE = (
    "{% for m in messages %}{{ m['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}a{% endif %}"
)
#: Our names of weights, and GGUF's.
NAMES = {
    "model.embed_tokens": "token_embd",
    "model.norm": "output_norm",
    "lm_head": "output",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}


def network() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(TOKENS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.5,
        tie_word_embeddings=False,
        eos_token_id=8,
    )
    return Qwen2ForCausalLM(config).eval()


def gguf_name(name: str) -> str:
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs)
    return name.replace("model.layers.", "blk.")


def saved(folder: Path, model: Qwen2ForCausalLM, *, packed: bool, without: str = "-") -> str:
    """The folder of a GGUF file; in ``model``, weights that are packed lose digits as in it."""
    folder.mkdir()
    writer = GGUFWriter(folder / "model.gguf", "qwen2")
    writer.add_name("tiny")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(model.config.rms_norm_eps)
    writer.add_rope_freq_base(model.config.rope_parameters["rope_theta"])
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(TOKENS)
    writer.add_token_types([TokenType.NORMAL] * 8 + [TokenType.CONTROL])
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(8)
    writer.add_bos_token_id(8)
    writer.add_chat_template(TEMPLATE)
    for name, weight in model.state_dict().items():
        if without in name:
            continue
        values = weight.numpy().astype(np.float32)
        if packed and values.ndim == 2:
            kind = GGMLQuantizationType.Q8_0
            blocks = quantize(values, kind)
            writer.add_tensor(gguf_name(name), blocks, raw_dtype=kind)
            weight.copy_(torch.from_numpy(dequantize(blocks, kind)))
        else:
            writer.add_tensor(gguf_name(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return str(folder)


def logs(model: Qwen2ForCausalLM, tokens: list[int]) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0, -1].log_softmax(-1)


@pytest.mark.parametrize("packed", [False, True])
def test_weights_and_tokens_are_those_of_the_file(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], packed: bool
) -> None:
    model = network()
    folder = saved(tmp_path / "gguf", model, packed=packed)
    read = LanguageModel("fabc", folder=folder, profile=DEFAULT, device=CPU)
    assert read.prompt.tolist() == [[5, 6, 2]]
    assert read.tokens.pieces == (*(c.encode() for c in "abcdef"), b"ab", b" ", b"")
    assert read.tokens.end == 8
    assert torch.allclose(read.begin(1)[1][0], logs(model, [5, 6, 2]), atol=1e-4)
    chat = LanguageModel(chat="fd", folder=folder, profile=DEFAULT, device=CPU)
    assert chat.prompt.tolist() == [[5, 3, 8, 0]]
    assert capfd.readouterr().err == ""


def test_a_program_runs_on_a_folder_of_gguf(tmp_path: Path) -> None:
    folder = saved(tmp_path / "gguf", network(), packed=True)
    program = f'use w from "{folder}"\ny : Tokens[3]\ny ~ w("ab") * where(not contains(y, "c"))'
    result = poedsl.compile(program).run(seed=0, particles=20)
    assert result.outcome.ok and not any("c" in text for text in result.texts("y"))


def test_a_weight_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    folder = saved(tmp_path / "gguf", network(), packed=False, without="mlp.up_proj")
    with refused("P0206") as found:
        LanguageModel("a", folder=folder, profile=DEFAULT, device=CPU)
    assert "model.layers.0.mlp.up_proj.weight" in found[0].message


@pytest.mark.parametrize("kept", [0, 3, 40, 900, 5000])
def test_a_file_that_is_cut_is_refused(tmp_path: Path, kept: int) -> None:
    folder = saved(tmp_path / "gguf", network(), packed=False)
    file = tmp_path / "gguf" / "model.gguf"
    file.write_bytes(file.read_bytes()[:kept])
    with refused("P0206"):
        LanguageModel("a", folder=folder, profile=DEFAULT, device=CPU)
