"""Chats: the tokenizer's own template, and every token that ends an answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import poedsl
from poedsl.catalog.profiles import DEFAULT
from poedsl.experts.sequences.language_model import LanguageModel
from tests.diagnostics import quoted, refused
from tests.experts.tiny_words import causal

CPU = torch.device("cpu")
SYMBOLS = [*"abcdusr", "<turn>"]
TURN, END = 7, 8
TEMPLATE = (
    "<end>{% for m in messages %}{{ m['role'][0] }}{{ m['content'] | trim }}<turn>{% endfor %}"
    "{% if add_generation_prompt %}r{% endif %}"
)
WITHOUT_SYSTEM = "{{ messages[-1]['content'] }}<turn>"
RAISING = "{{ raise_exception('no such role') }}"


def chatting(folder: Path, template: str = TEMPLATE, stops: list[int] | None = None) -> str:
    """A model whose answers end with `<turn>`, and whose texts end with `<end>`."""
    causal(folder, SYMBOLS, seed=1, end="<end>")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>"]})
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    if stops is not None:
        network = AutoModelForCausalLM.from_pretrained(folder)
        network.generation_config.eos_token_id = stops
        network.save_pretrained(folder)
    return str(folder)


def test_the_template_of_the_tokenizer_is_followed(tmp_path: Path) -> None:
    folder = chatting(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for system, prompt in ((None, ""), ("dc", ""), ("dc", "ba")):
        turns = [{"role": "user", "content": "ab"}]
        turns = turns if system is None else [{"role": "system", "content": system}, *turns]
        chat = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
        expected = chat["input_ids"] + tokenizer(prompt)["input_ids"]
        model = LanguageModel(prompt, "ab", system, folder=folder, profile=DEFAULT, device=CPU)
        assert model.prompt.tolist() == [expected]


@pytest.mark.parametrize("template", [TEMPLATE, "{{ messages[0]['content'] }}"])
def test_an_answer_ends_with_any_of_its_ends(tmp_path: Path, template: str) -> None:
    stops = None if template == TEMPLATE else [END, TURN]
    folder = chatting(tmp_path, template, stops)
    model = LanguageModel(chat="ab", folder=folder, profile=DEFAULT, device=CPU)
    assert model.tokens.end == END
    state, first = model.begin(1)
    network = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        plain = network(model.prompt).logits[0, -1].softmax(-1)
    ends = plain[[TURN, END]].sum()
    assert torch.allclose(first[0].exp()[:7], plain[:7], atol=1e-6)
    assert first[0, TURN] == -torch.inf
    assert torch.allclose(first[0, END].exp(), ends, atol=1e-6)
    _, after = model.read(state, torch.tensor([[0, END, 3]]))
    assert torch.allclose(after[0, 0].exp().sum(), torch.tensor(1.0))
    assert after[0, 0, TURN] == -torch.inf and after[0, 0, END] > -torch.inf
    assert after[0, 1:, END].tolist() == [0, 0]


def test_programs_answer(tmp_path: Path) -> None:
    folder = chatting(tmp_path)
    program = (
        'input question : Text = "ab"\ny : Tokens[4]\n'
        f'y ~ lm("{folder}", chat = question, system = "dc") * lm("{folder}", "ab")^0.5\n'
        'y ~ where(contains(y, "a"))'
    )
    plan = poedsl.compile(program)
    assert any("chat" in quoted_words(note) for note in plan.spec.notes)
    result = plan.run(seed=0, particles=50)
    assert all("a" in text and "<" not in text for text in result.texts("y"))
    other = plan.bind(question="cd").run(seed=0, particles=50)
    assert other.log_evidence != result.log_evidence


def quoted_words(note: str) -> list[str]:
    return note.replace("`", " ").split()


@pytest.mark.slow
def test_what_cannot_be_a_chat_is_refused(tmp_path: Path) -> None:
    plain = causal(tmp_path / "plain", "abcd", end="<end>")
    dropping = chatting(tmp_path / "dropping", WITHOUT_SYSTEM)
    raising = chatting(tmp_path / "raising", RAISING)
    for folder, arguments, code in (
        (plain, 'chat = "ab"', "P0206"),
        (dropping, 'chat = "ab", system = "dc"', "P0206"),
        (raising, 'chat = "ab"', "P0206"),
    ):
        with refused(code) as found:
            poedsl.compile(f'y : Tokens[2]\ny ~ lm("{folder}", {arguments})').run(particles=2)
        assert "lm" in quoted(found[0])
    assert LanguageModel("ab", folder=raising, profile=DEFAULT, device=CPU).prompt.numel() == 2


@pytest.mark.parametrize("arguments", ['"ab", system = "dc"', 'chat = none, system = "dc"'])
@pytest.mark.parametrize("call", ['lm("model", {})', "own({})"])
def test_a_system_message_without_a_chat_is_refused(
    arguments: str, call: str, tmp_path: Path
) -> None:
    causal(tmp_path / "model", "abcd", end="<end>")
    program = tmp_path / "program.poe"
    use = 'use own from "model"\n' if call.startswith("own") else ""
    program.write_text(f"{use}y : Tokens[2]\ny ~ {call.format(arguments)}")
    with refused("P0307") as found:
        poedsl.compile(program)
    assert {"system", "chat"} <= quoted(found[0])
    text = program.read_text()
    assert text[found[0].span.start : found[0].span.end] == '"dc"'
    program.write_text(text.replace("none", '"a"').replace('"ab"', 'chat = "a"'))
    plan = poedsl.compile(program)
    assert poedsl.load(plan.to_json()).spec == plan.spec
    with refused("P0307"):
        LanguageModel("ab", system="a", folder=str(tmp_path / "model"), profile=DEFAULT, device=CPU)
