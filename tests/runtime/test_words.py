"""Language models, chains and automata on sequences: against enumeration of all of them."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.cache_utils import DynamicCache

import poedsl
from poedsl.compiler.plan.costs import LOOK_AHEAD, costs, looks_ahead
from poedsl.experts.sequences.language_model import LanguageModel
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.runtime.build.prepare import prepare
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.runtime.run import Run
from poedsl.runtime.smc.records import Outcome
from poedsl.runtime.targets.prefixes import SequenceTarget
from tests.diagnostics import quoted, refused, warning_data
from tests.experts.tiny_words import causal

TWENTY = "abcdefghijklmnopqrst"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "one": causal(folder / "one", TWENTY, seed=1, layers=1, width=8),
        "two": causal(folder / "two", TWENTY, seed=2, kind="gpt2", layers=1, width=8, positions=64),
        "ends": causal(folder / "ends", "abcd", seed=3, end="<end>"),
        "ends too": causal(folder / "ends too", "abcd", seed=4, end="<end>", kind="gpt2"),
        "sliding": causal(folder / "sliding", "abcd", seed=5, end="<end>", kind="mistral"),
        "other": causal(folder / "other", "abdc", seed=6, end="<end>"),
    }


def conditionals(folder: str, prompt: str, prefixes: Tensor) -> Tensor:
    """Log-probabilities of the next token, by the library alone and without anything cached."""
    tokenizer, network = (
        kind.from_pretrained(folder) for kind in (AutoTokenizer, AutoModelForCausalLM)
    )
    first = tokenizer(prompt)["input_ids"] or [tokenizer.bos_token_id]
    rows = torch.cat([torch.tensor([first]).expand(len(prefixes), -1), prefixes], 1)
    with torch.no_grad():
        logits = network(rows).logits[:, len(first) - 1 :]
    return logits.log_softmax(-1)


@cache
def sequences(folder: str, prompt: str, length: int) -> Tensor:
    """The log-probability of every sequence, in their order: the last symbol changes fastest."""
    tokenizer, network = (
        kind.from_pretrained(folder) for kind in (AutoTokenizer, AutoModelForCausalLM)
    )
    out: list[Tensor] = []

    def grow(cache: Any, logits: Tensor, total: Tensor, left: int) -> None:
        logs = (total[:, None] + logits.log_softmax(-1)).flatten()
        if left == 1:
            out.append(logs)
            return
        size = logits.shape[-1]
        keys = [t.repeat_interleave(size, 0) for c in cache.layers for t in (c.keys, c.values)]
        symbols = torch.arange(size).repeat(len(total))[:, None]
        for part in torch.arange(len(symbols)).split(8000):
            rows = [k[part] for k in keys]
            past = DynamicCache(list(zip(rows[::2], rows[1::2], strict=True)))
            found = network(symbols[part], past_key_values=past, use_cache=True)
            grow(found.past_key_values, found.logits[:, -1], logs[part], left - 1)

    with torch.inference_mode():
        ids = torch.tensor([tokenizer(prompt)["input_ids"]])
        found = network(ids, use_cache=True)
        grow(found.past_key_values, found.logits[:, -1], torch.zeros(1), length)
    return torch.cat(out).double()


def agrees(
    plan: poedsl.Plan, logs: Tensor, symbols: int, length: int, seeds: int = 8, **options: Any
) -> None:
    """Whether marginals and evidence are those of an enumeration, within three standard errors; of
    many marginals one in fifty may be off by up to four.
    """
    chances = logs.softmax(0).view(*[symbols] * length)
    exact = torch.stack(
        [chances.sum([k for k in range(length) if k != place]) for place in range(length)]
    )
    runs = [plan.run(seed=s, islands=4, **options) for s in range(seeds)]
    alphabet = torch.arange(symbols)
    found = torch.stack(
        [
            (r.log_weights.exp()[:, None, None] * (r.particles["y"][..., None] == alphabet)).sum(0)
            for r in runs
        ]
    )
    shares = torch.tensor([r.log_evidence for r in runs]).double().softmax(0)[:, None, None]
    mean = (shares * found).sum(0)
    error = (shares * (found - mean)).square().sum(0).mean().sqrt()
    variance = (exact * (1 - exact)).clamp(min=0)
    spread = (variance / variance.mean()).sqrt().clamp(min=1)
    errors = (mean - exact).abs() / (error * spread)
    assert float((errors > 3).double().mean()) <= 0.02 and float(errors.max()) < 4
    truth = float(logs.logsumexp(0))
    for r in runs:
        assert r.log_evidence is not None and r.log_evidence_se is not None
    off = [(r.log_evidence - truth) / r.log_evidence_se for r in runs]  # type: ignore[operator]
    assert abs(sum(off)) / seeds < 3 / math.sqrt(seeds) * 1.5
    assert sum(abs(o) < 3 for o in off) >= seeds - 1


# Chains and automata.

CHAIN = (
    "Markov([0.3, 0.2, 0.2, 0.2, 0.1], [[0.1, 0.4, 0.2, 0.2, 0.1], [0.3, 0.1, 0.2, 0.2, 0.2], "
    "[0.5, 0.1, 0.1, 0.2, 0.1], [0.1, 0.1, 0.1, 0.1, 0.6], [0.2, 0.2, 0.2, 0.2, 0.2]])"
)
OTHER = (
    "Markov([0.1, 0.1, 0.2, 0.3, 0.3], [[0.3, 0.1, 0.2, 0.2, 0.2], [0.1, 0.1, 0.6, 0.1, 0.1], "
    "[0.2, 0.2, 0.2, 0.2, 0.2], [0.4, 0.1, 0.2, 0.2, 0.1], [0.1, 0.3, 0.3, 0.2, 0.1]])"
)
PATTERN = "(?:[ab]+c|[de]{2,3}a?)*"


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("kernel", ["none", "gibbs(steps = 1, block = 3)"])
def test_two_chains_and_an_automaton(kernel: str) -> None:
    plan = poedsl.compile(
        f'y : Tokens[8]\ny ~ {CHAIN} * {OTHER}^0.5 * Automaton("{PATTERN}", "abcde")'
    )
    first, other = (eval(text, {"Markov": _table}) for text in (CHAIN, OTHER))
    every = torch.tensor(list(product(range(5), repeat=8)))
    accepted = torch.tensor(
        [re.fullmatch(PATTERN, "".join(w)) is not None for w in product("abcde", repeat=8)]
    )
    logs = _walk(first, every) + 0.5 * _walk(other, every) - math.log(int(accepted.sum()))
    logs = torch.where(accepted, logs, -math.inf)
    agrees(plan, logs, 5, 8, particles=2000, kernel=kernel)


def _table(initial: list[float], transition: list[list[float]]) -> tuple[Tensor, Tensor]:
    return torch.tensor(initial).double().log(), torch.tensor(transition).double().log()


def _walk(chain: tuple[Tensor, Tensor], every: Tensor) -> Tensor:
    initial, transition = chain
    return initial[every[:, 0]] + transition[every[:, :-1], every[:, 1:]].sum(1)


@pytest.mark.statistical
def test_an_automaton_alone_is_even_over_what_it_accepts() -> None:
    plan = poedsl.compile(f'y : Tokens[4]\ny ~ Automaton("{PATTERN}", "abcde")')
    result = plan.run(seed=0, particles=8000)
    words = [w for w in map("".join, product("abcde", repeat=4)) if re.fullmatch(PATTERN, w)]
    assert result.log_evidence == pytest.approx(0, abs=1e-6)
    found = result.texts("y")
    assert set(found) == set(words)
    counts = torch.tensor([found.count(w) for w in words]) / 8000
    error = math.sqrt(1 / len(words) / 8000)
    assert ((counts - 1 / len(words)).abs() < 4 * error).all()


# Language models.


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("kernel", ["none", "gibbs(steps = 1, block = 2)"])
@pytest.mark.parametrize("length", [3, 5])
def test_two_transformers(models: dict[str, str], length: int, kernel: str) -> None:
    plan = poedsl.compile(
        f'y : Tokens[{length}]\ny ~ lm("{models["one"]}", "ab") * lm("{models["two"]}", "c")^0.7'
    )
    logs = sequences(models["one"], "ab", length) + 0.7 * sequences(models["two"], "c", length)
    agrees(plan, logs, 20, length, particles=1000, kernel=kernel)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_ratio_of_models(models: dict[str, str]) -> None:
    plan = poedsl.compile(
        f'y : Tokens[3]\ny ~ lm("{models["one"]}", "ab")^1.5 / lm("{models["two"]}", "c")^0.5'
    )
    logs = 1.5 * sequences(models["one"], "ab", 3) - 0.5 * sequences(models["two"], "c", 3)
    agrees(plan, logs, 20, 3, particles=2000)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["one", "two", "ends", "sliding"])
def test_cached_keys_after_resampling_are_those_of_a_fresh_forward(
    models: dict[str, str], name: str
) -> None:
    plan = poedsl.compile(f'y : Tokens[8]\ny ~ lm("{models[name]}", "abca")^2').with_options(
        particles=64, resample="multinomial(when = always)", kernel="gibbs(block = 2)"
    )
    job = Run(plan.spec)
    for record in job.stages():
        if record.t in (9, 1):
            continue
        length = 9 - record.t
        prefixes = job.population.particles.x[:, :length]
        fresh = 2 * conditionals(models[name], "abca", prefixes)[:, -1]
        ended = (prefixes == 4).any(1) & (fresh.shape[-1] == 5)
        assert torch.allclose(
            job.population.particles.at.following[~ended], fresh[~ended], atol=1e-5
        )
        assert record.resampled


@pytest.mark.slow
@pytest.mark.statistical
def test_after_its_end_a_text_stays_ended(models: dict[str, str]) -> None:
    plan = poedsl.compile(
        f'y : Tokens[4]\ny ~ lm("{models["ends"]}", "ab") * lm("{models["ends too"]}")^0.5'
    )
    result = plan.run(seed=0, particles=4000)
    y = result.particles["y"]
    ended = (y == 4).cumsum(1) > 0
    assert bool(ended.any()) and bool((y[ended] == 4).all())
    every = torch.tensor([w for w in product(range(5), repeat=4) if _ends_once(w)])
    logs = torch.zeros(len(every))
    for name, prompt, power in (("ends", "ab", 1), ("ends too", "", 0.5)):
        own = conditionals(models[name], prompt, every)[:, :-1].gather(2, every[..., None])[..., 0]
        over = (every == 4).cumsum(1) - (every == 4).int() > 0
        logs = logs + power * torch.where(over, 0.0, own).sum(1)
    assert result.log_evidence == pytest.approx(float(logs.logsumexp(0)), abs=0.03)
    assert all("<" not in text for text in result.texts("y"))


def _ends_once(symbols: tuple[int, ...]) -> bool:
    return 4 not in symbols or set(symbols[symbols.index(4) :]) == {4}


# Conditions on text.

CONDITIONS = {
    'contains(y, "ab")': lambda t: "ab" in t,
    'not contains(y, "a") and matches(y, "[bc]d?$")': lambda t: (
        "a" not in t and re.search("[bc]d?$", t) is not None
    ),
    'matches(y, "^(ab|c)*$") or contains(y, "dd")': lambda t: (
        re.search("^(ab|c)*$", t) is not None or "dd" in t
    ),
    'length(y) < 3 and matches(y, "^[ac]")': lambda t: len(t) < 3 and t[:1] in ("a", "c"),
    "length(y) == 2 or 4 <= length(y)": lambda t: len(t) in (2, 4),
}


def conditioned(folder: str, condition: str) -> tuple[Tensor, Tensor]:
    """Every sequence of four of the five tokens, and the log of the target at each."""
    every = torch.tensor(list(product(range(5), repeat=4)))
    own = conditionals(folder, "ab", every)[:, :-1].gather(2, every[..., None])[..., 0]
    over = (every == 4).cumsum(1) - (every == 4).int() > 0
    logs = torch.where(over, torch.where(every == 4, 0.0, -math.inf), own).sum(1).double()
    texts = ["".join("abcd"[s] for s in w[: w.index(4)] if s < 4) for w in _ended(every)]
    holds = torch.tensor([CONDITIONS[condition](t) for t in texts])
    return every, torch.where(holds, logs, -math.inf)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_conditions_on_text(models: dict[str, str], condition: str) -> None:
    """What is proposed times its weight is the target, however rules look ahead on the way; and no
    prefix of an impossible text survives longer than it must.
    """
    every, logs = conditioned(models["ends"], condition)
    text = f'y : Tokens[4]\ny ~ lm("{models["ends"]}", "ab") * where({condition})'
    target = prepare(poedsl.compile(text).spec, RunSettings()).target
    assert isinstance(target, SequenceTarget)
    evaluation, total = target.begin(len(every)), torch.zeros(len(every)).double()
    for place in range(4):
        symbols = every[:, place, None]
        total = total + evaluation.following.gather(1, symbols)[:, 0]
        evaluation, _ = target.read(evaluation, place, symbols)
        same = (every[:, None, : place + 1] == every[None, :, : place + 1]).all(2)
        ahead = (same & (logs > -math.inf)).any(1)
        assert torch.equal(total > -math.inf, ahead)
    assert torch.allclose(total, logs, atol=1e-4)


BYTES = (b"a", b"\x80", b"\xc3", b"\xe2")
ON_BYTES = {
    "length(y) >= 3": lambda t: len(t) >= 3,
    'not matches(y, "^.{2}$")': lambda t: re.search("^.{2}$", t) is None,
    'matches(y, "[^a]a$")': lambda t: re.search("[^a]a$", t) is not None,
    'contains(y, "\ufffd\ufffd")': lambda t: "\ufffd\ufffd" in t,
    'matches(y, "\u00c0")': lambda t: "\u00c0" in t,
}


@pytest.mark.slow
@pytest.mark.parametrize("condition", ON_BYTES)
def test_rules_on_the_way_mean_the_text_at_the_end(tmp_path: Path, condition: str) -> None:
    folder = causal(tmp_path, ["a", "<0x80>", "<0xC3>", "<0xE2>"], seed=1)
    plan = poedsl.compile(f'y : Tokens[4]\ny ~ lm("{folder}", "a") * where({condition})')
    every = torch.tensor(list(product(range(4), repeat=4)))
    logs = conditionals(folder, "a", every)[:, :-1].gather(2, every[..., None]).sum((1, 2)).double()
    texts = [b"".join(BYTES[s] for s in w).decode("utf-8", "replace") for w in every.tolist()]
    holds = torch.tensor([ON_BYTES[condition](t) for t in texts])
    target = prepare(plan.spec, RunSettings()).target
    assert isinstance(target, SequenceTarget) and len(target.rules) == 1
    evaluation, total = target.begin(len(every)), torch.zeros(len(every)).double()
    for place in range(4):
        total = total + evaluation.following.gather(1, every[:, place, None])[:, 0]
        evaluation, _ = target.read(evaluation, place, every[:, place, None])
    assert torch.allclose(total, torch.where(holds, logs, -math.inf), atol=1e-4)
    (at_the_end,) = (v for n, v in target.log_values(every).items() if n.startswith("where"))
    assert torch.equal(at_the_end > -math.inf, holds)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("condition", [c for c in CONDITIONS if " or " not in c])
def test_gibbs_keeps_to_conditions(models: dict[str, str], condition: str) -> None:
    """Conditions with `or` leave weights with tails too heavy for standard errors of eight runs."""
    _, logs = conditioned(models["ends"], condition)
    plan = poedsl.compile(f'y : Tokens[4]\ny ~ lm("{models["ends"]}", "ab") * where({condition})')
    agrees(plan, logs, 5, 4, particles=1000, kernel="gibbs(steps = 1, block = 2)")


def _ended(every: Tensor) -> list[list[int]]:
    return [[*row, 4] for row in every.tolist()]


def test_no_particle_grows_into_a_dead_end(models: dict[str, str]) -> None:
    """Of all texts less than one in ten thousand ends like this, and that is seen at the end."""
    text = f'y : Tokens[8]\ny ~ lm("{models["one"]}", "ab") * where(matches(y, "[a-c]bad$"))'
    result = poedsl.compile(text).run(seed=0, particles=100, islands=4)
    assert result.outcome is Outcome.COMPLETED
    assert all(t.endswith("bad") for t in result.texts("y"))
    assert all(s.ess > 1 for s in result.stages)
    (tight,) = warning_data(result, "P1007")
    assert tight["factor"] == "where" and tight["place"].startswith("<string>:2:")


def test_a_condition_that_is_seen_at_the_end_alone_is_named() -> None:
    uniform = f"Categorical([{', '.join(['0.05'] * 20)}])"
    plan = poedsl.compile(f"y : Tokens[6]\ny ~ {uniform} * where(y[5] == 3 and y[4] < 6)")
    result = plan.run(seed=0, particles=2000)
    assert result.outcome is Outcome.COMPLETED
    assert "where" in [data["factor"] for data in warning_data(result, "P1007")]


def test_a_condition_that_nothing_meets_is_named(models: dict[str, str]) -> None:
    start = f'y : Tokens[6]\ny ~ lm("{models["one"]}", "ab")'
    for condition, code in (('contains(y, "abcdefgh")', "P1012"), ("y[0] + y[1] == 99", "P1007")):
        result = poedsl.compile(f"{start} * where({condition})").run(seed=0, particles=50)
        assert result.outcome is Outcome.NO_WEIGHT
        assert any(w.code == code and "where" in quoted(w) for w in result.warnings)


def test_conditions_that_exclude_each_other_are_named(models: dict[str, str]) -> None:
    result = poedsl.compile(
        f'y : Tokens[6]\ny ~ lm("{models["one"]}", "ab") * where(matches(y, "a$"))\n'
        'y ~ where(matches(y, "b$"))'
    ).run(seed=0, particles=50)
    assert result.outcome is Outcome.NO_WEIGHT
    assert any(w.code == "P1012" and {"where", "where_2"} <= quoted(w) for w in result.warnings)


def test_patterns_beyond_automata_weigh_at_the_end(models: dict[str, str]) -> None:
    result = poedsl.compile(
        f'y : Tokens[4]\ny ~ lm("{models["one"]}", "ab") * where(matches(y, "([a-t]).*\\\\1"))'
    ).run(seed=0, particles=400)
    assert any(w.code == "P1011" for w in result.warnings)
    alive = result.log_weights > -math.inf
    texts = [t for t, a in zip(result.texts("y"), alive.tolist(), strict=True) if a]
    assert texts and all(len(set(t)) < 4 for t in texts)


@pytest.mark.statistical
def test_rewards_on_text(models: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        """
import poedsl, torch

@poedsl.reward
def vowels(text: poedsl.Text):
    return torch.tensor([float(sum(c in "a" for c in t)) for t in text])
"""
    )
    (tmp_path / "own.poe").write_text(
        f'use vowels from "own.py:vowels"\ny : Tokens[3]\n'
        f'y ~ lm("{models["one"]}", "ab") * exp(vowels())\n'
    )
    result = poedsl.compile(tmp_path / "own.poe", allow_code=True).run(seed=0, particles=4000)
    every = torch.tensor(list(product(range(20), repeat=3)))
    logs = sequences(models["one"], "ab", 3) + (every == 0).sum(1)
    assert result.log_evidence == pytest.approx(float(logs.logsumexp(0)), abs=0.05)


def ending(folder: Path, end: str, stops: list[int] | None = None, seed: int = 0) -> str:
    """A model over a, b, `<turn>` and `<end>`, whose tokenizer has one of these as its end."""
    causal(folder, ["a", "b", "<turn>"], seed=seed, end="<end>", layers=1, width=8)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<turn>", "<end>"]})
    tokenizer.add_special_tokens({"eos_token": end})
    tokenizer.save_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder)
    network.generation_config.eos_token_id = stops or tokenizer.eos_token_id
    network.save_pretrained(folder)
    return str(folder)


@pytest.mark.slow
@pytest.mark.statistical
def test_a_base_model_and_a_chat_model_have_a_product(tmp_path: Path) -> None:
    """Texts of the chat model end with `<turn>` or `<end>`, those of the base model with the last
    alone: the sum over the texts of up to two letters is exact.
    """
    turn, end = 2, 3
    chat = ending(tmp_path / "chat", "<turn>", [turn, end])
    base = ending(tmp_path / "base", "<end>", seed=1)

    def texts(folder: str, ends: list[int]) -> dict[tuple[int, ...], float]:
        network = AutoModelForCausalLM.from_pretrained(folder).eval()
        out: dict[tuple[int, ...], float] = {}
        for word in [(), (0,), (1,), *product((0, 1), repeat=2)]:
            with torch.no_grad():
                logs = network(torch.tensor([[0, *word]])).logits[0].log_softmax(-1)
            before = sum(float(logs[n, letter]) for n, letter in enumerate(word))
            last = 0.0 if len(word) == 2 else float(logs[len(word), ends].logsumexp(0))
            out[word] = before + last
        return out

    first, second = texts(chat, [turn, end]), texts(base, [end])
    expected = torch.tensor([first[w] + second[w] for w in first]).logsumexp(0)
    for program in (
        f'y ~ lm("{chat}", "a") * lm("{base}", "a")',
        f'y ~ lm("{base}", "a") * lm("{chat}", "a")',
    ):
        result = poedsl.compile(f"y : Tokens[2]\n{program}").run(seed=0, particles=4000)
        assert result.log_evidence == pytest.approx(float(expected), abs=0.03)
        assert set(result.texts("y")) == {"", "a", "b", "aa", "ab", "ba", "bb"}
        assert not bool((result.particles["y"] == turn).any())


@pytest.mark.slow
def test_models_whose_texts_end_with_no_common_token(tmp_path: Path) -> None:
    one = ending(tmp_path / "one", "<turn>")
    other = ending(tmp_path / "other", "<end>")
    found = problem(f'y : Tokens[2]\ny ~ lm("{one}", "a") * lm("{other}", "a")')
    assert found.code == "P0711"


# What does not fit.


def problem(text: str) -> Diagnostic:
    with pytest.raises(poedsl.PoeError) as caught:
        poedsl.compile(text).run(particles=4)
    (found,) = caught.value.diagnostics
    return found


def test_models_with_different_tokenizers(models: dict[str, str]) -> None:
    for symbol, other in (("2", f'lm("{models["other"]}")'), ("4", f'lm("{models["one"]}", "a")')):
        found = problem(f'y : Tokens[3]\ny ~ lm("{models["ends"]}") * {other}')
        assert found.code == "P0711"
        assert f"symbol {symbol} " in "\n".join([found.message, *found.notes])


@pytest.mark.slow
def test_what_does_not_fit_a_model(models: dict[str, str], tmp_path: Path) -> None:
    for program, code in (
        (f'y : Tokens[3]\ny ~ lm("{models["one"]}")', "P0206"),
        (f'y : Tokens[64]\ny ~ lm("{models["two"]}", "abc")', "P0307"),
        (f'y : Tokens[3]\ny ~ lm("{models["two"]}", "{64 * "a"}")', "P0307"),
        (f'y : Tokens[3]\ny ~ lm("{tmp_path}", "a")', "P0206"),
        ('y : Tokens[3]\ny ~ Automaton("a", "ab")', "P0307"),
        ('y : Tokens[3]\ny ~ Automaton("(", "ab")', "P0307"),
        ('y : Tokens[3]\ny ~ Automaton("(a)\\\\1", "ab")', "P0307"),
        (f'y : Tokens[3]\ny ~ {CHAIN} * where(contains(y, "a"))', "P0603"),
    ):
        assert problem(program).code == code, program


@pytest.mark.slow
def test_surrogates_are_no_characters() -> None:
    start = 'y : Tokens[2]\ny ~ Automaton("[ab]*", "ab")'
    for condition in ('matches(y, "\\\\ud800")', 'contains(y, "a\ud800")'):
        result = poedsl.compile(f"{start} * where(not {condition})").run(seed=0, particles=50)
        assert result.log_evidence == pytest.approx(0, abs=1e-6)
    assert problem('y : Tokens[2]\ny ~ Automaton("a*", "a\ud800")').code == "P0307"


@pytest.mark.statistical
def test_numbers_without_a_token_have_probability_zero(tmp_path: Path) -> None:
    folder = causal(tmp_path, "abcde", seed=1, spread=0.2)
    file = tmp_path / "tokenizer.json"
    settings = json.loads(file.read_text())
    del settings["model"]["vocab"]["c"]
    file.write_text(json.dumps(settings))
    result = poedsl.compile(f'y : Tokens[2]\ny ~ lm("{folder}", "ab")').run(seed=0, particles=1000)
    assert result.particles["y"].unique().tolist() == [0, 1, 3, 4]
    assert result.log_evidence == pytest.approx(0, abs=1e-5)
    network = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        first = network(torch.tensor([[0, 1]])).logits[0, -1, [0, 1, 3, 4]].softmax(0)
    counts = torch.bincount(result.particles["y"][:, 0], minlength=5)[[0, 1, 3, 4]] / 1000
    assert torch.allclose(counts, first, atol=0.06)


def test_an_end_that_the_tokenizer_adds_is_not_the_prompts(tmp_path: Path) -> None:
    folder = causal(tmp_path, "abc", seed=1, end="<end>")
    file = tmp_path / "tokenizer.json"
    settings = json.loads(file.read_text())
    end = {"SpecialToken": {"id": "<end>", "type_id": 0}}
    settings["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [end, {"Sequence": {"id": "A", "type_id": 0}}, end],
        "pair": [],
        "special_tokens": {"<end>": {"id": "<end>", "ids": [3], "tokens": ["<end>"]}},
    }
    file.write_text(json.dumps(settings))
    for prompt, tokens in (("ab", [3, 0, 1]), ("", [3]), ("a<end>", [3, 0, 3])):
        plan = poedsl.compile(f'y : Tokens[2]\ny ~ lm("{folder}", "{prompt}")')
        target = prepare(plan.spec, RunSettings()).target
        assert isinstance(target, SequenceTarget)
        assert target.sequence_factors[0].expert.prompt.tolist() == [tokens]  # type: ignore[attr-defined]


def test_a_stage_shows_what_is_written(models: dict[str, str]) -> None:
    plan = poedsl.compile(
        f'y : Tokens[2]\nz : Tokens[2]\ny ~ lm("{models["one"]}", "ab")\n'
        f'z ~ lm("{models["one"]}", "ba") * where(contains(z, "a"))'
    ).with_options(particles=20, steps=4)
    seen = list(plan.stream(seed=0))
    assert [s.length for s in seen] == [0, 1, 2, 3, 4]
    assert [{len(t) for t in s.texts("y")} for s in seen] == [{0}, {1}, {2}, {2}, {2}]
    assert [{len(t) for t in s.texts("z")} for s in seen] == [{0}, {0}, {0}, {1}, {2}]
    assert seen[-1].texts("z") == plan.run(seed=0).texts("z")
    with refused("P0605"):
        seen[0].texts("x")


def test_rules_keep_to_the_microbatch(
    models: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    forward = LanguageModel._forward

    def watched(self: LanguageModel, keys: Any, symbols: Tensor) -> Any:
        seen.append(len(symbols))
        return forward(self, keys, symbols)

    monkeypatch.setattr(LanguageModel, "_forward", watched)
    text = f'y : Tokens[3]\ny ~ lm("{models["one"]}", "ab") * where(contains(y, "a"))'
    poedsl.compile(text).run(seed=0, particles=8, microbatch=4)
    assert max(seen) == 4


def test_the_look_ahead_of_rules_is_counted_and_shown(models: dict[str, str]) -> None:
    start = f'y : Tokens[5]\ny ~ lm("{models["one"]}", "ab")'
    plan = poedsl.compile(f'{start} * where(contains(y, "a"))').with_options(particles=32)
    plain = poedsl.compile(start).with_options(particles=32)
    seen: list[tuple[int, int]] = []
    job = Run(plan.bound().spec, look_ahead=lambda done, total: seen.append((done, total)))
    assert seen == [(place, 5) for place in range(1, 6)]
    without = Run(plain.bound().spec)
    assert job.estimate().nfe == without.estimate().nfe + 5 * LOOK_AHEAD // 32
    results = [run.result() for run in (job, without) if all(True for _ in run.stages())]
    assert results[0].nfe == results[1].nfe + 10
    assert results[0].calls["lm"] == results[1].calls["lm"] + 4 * LOOK_AHEAD
    described = [list(costs(p.spec)) for p in (plan, plain)]
    assert len(described[0]) == len(described[1]) + 1 and f" {LOOK_AHEAD} " in described[0][-1]
    assert looks_ahead(plan.spec) and not looks_ahead(plain.spec)
