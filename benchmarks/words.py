"""A language model under a regular expression, here and in genlm-control.

    python benchmarks/words.py [--genlm PYTHON] [--quick] [--out benchmarks/results/words.json]

The model is a Llama of random weights over a byte-level vocabulary learned from the texts of docs/;
the rule is what its text must be. Both programs draw each token from the product of model and
rule, resample below half of the particles and count tokens up to the end of each text; loading is
left out, and so is a first run. Reference: one run of many particles. `PYTHON` is one that has
genlm-control.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

OUT = Path(__file__).parent / "results" / "words.json"
DOCS = Path(__file__).parents[1] / "docs"
PROMPT, LENGTH = "The variables of a program are", 14
PATTERNS = {
    "two words": " [a-z]{2,5} [a-z]{2,5}",
    "two words, the second known": " [a-z]{2,7} rest",
}


def saved(folder: Path) -> None:
    """The model and its tokenizer."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=2000,
        special_tokens=["<end>"],
        initial_alphabet=sorted(alphabet),
        show_progress=False,
    )
    texts = [p.read_text(encoding="utf-8") for p in sorted(DOCS.glob("*.md"))]
    made.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<end>", bos_token="<end>")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=256,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        initializer_range=0.1,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def ours(folder: str, pattern: str, particles: int, seeds: list[int]) -> list[dict[str, float]]:
    import poedsl

    rule = f'where(matches(y, "^{pattern}\\\\Z"))'
    plan = poedsl.compile(f'y : Tokens[{LENGTH}]\ny ~ lm("{folder}", "{PROMPT}") * {rule}')
    out = []
    for seed in [seeds[0], *seeds]:
        clock = time.perf_counter()
        result = plan.run(seed=seed, particles=particles)
        seconds = time.perf_counter() - clock
        symbols = result.particles["y"]
        ended = (symbols == result.vocabularies["y"].end).long()
        tokens = int(((ended.cumsum(1) - ended) == 0).sum())
        evidence = -math.inf if result.log_evidence is None else result.log_evidence
        out.append({"seconds": seconds, "tokens": tokens, "log_z": evidence, "ess": result.ess})
    return out[1:]


def theirs(folder: str, pattern: str, particles: int, seeds: list[int]) -> list[dict[str, float]]:
    """With the same steps of genlm-control; runs where that is installed."""
    import asyncio

    import numpy as np
    from genlm.control import BoolFSA, PromptedLLM, direct_token_sampler

    model = PromptedLLM.from_name(folder, backend="hf", eos_byte_strings=[b"<end>"])
    model.set_prompt_from_str(PROMPT)
    rule = BoolFSA.from_regex(pattern).coerce(model, f=b"".join)

    async def once(seed: int) -> dict[str, float]:
        np.random.seed(seed)
        torch.manual_seed(seed)
        clock = time.perf_counter()
        sampler = direct_token_sampler(model * rule)
        found = await sampler.smc(n_particles=particles, ess_threshold=0.5, max_tokens=LENGTH)
        seconds = time.perf_counter() - clock
        tokens = sum(len(context) for context in found.contexts)
        return {
            "seconds": seconds,
            "tokens": tokens,
            "log_z": float(found.log_ml),
            "ess": float(found.ess),
        }

    async def every() -> list[dict[str, float]]:
        return [await once(seed) for seed in [seeds[0], *seeds]]

    return asyncio.run(every())[1:]


def other(
    python: str, folder: str, pattern: str, particles: int, seeds: list[int]
) -> list[dict[str, float]]:
    """What another Python finds."""
    given = json.dumps([folder, pattern, particles, seeds])
    done = subprocess.run(
        [python, __file__, "--side", given],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )
    found: list[dict[str, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def row(task: str, name: str, particles: int, runs: list[dict[str, float]]) -> dict[str, Any]:
    evidence = [r["log_z"] for r in runs]
    finite = [e for e in evidence if math.isfinite(e)]
    return {
        "task": task,
        "program": name,
        "particles": particles,
        "runs": len(runs),
        "tokens_per_second": statistics.median(r["tokens"] / r["seconds"] for r in runs),
        "seconds": statistics.median(r["seconds"] for r in runs),
        "log_z": statistics.mean(finite) if finite else None,
        "log_z_sd": statistics.stdev(finite) if len(finite) > 1 else None,
        "failed": len(evidence) - len(finite),
        "ess": statistics.mean(r["ess"] for r in runs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--genlm", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--side", default="")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.side:
        print(json.dumps(theirs(*json.loads(args.side))))
        return
    seeds, reference = list(range(3 if args.quick else 5)), 500 if args.quick else 2000
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        saved(Path(folder))
        for task, pattern in PATTERNS.items():
            for particles in (16, 64):
                found = {"poedsl": ours(folder, pattern, particles, seeds)}
                if args.genlm:
                    found["genlm-control"] = other(args.genlm, folder, pattern, particles, seeds)
                rows += [row(task, name, particles, runs) for name, runs in found.items()]
            rows.append(row(task, "reference", reference, ours(folder, pattern, reference, [99])))
    print("| rule | program | particles | tokens/s | log Z, mean and sd of runs | failed | ESS |")
    print("|---|---|---|---|---|---|---|")
    for r in rows:
        spread = "" if r["log_z_sd"] is None else f" +- {r['log_z_sd']:.2f}"
        shown = "none" if r["log_z"] is None else f"{r['log_z']:.2f}{spread}"
        print(
            f"| {r['task']} | {r['program']} | {r['particles']} | {r['tokens_per_second']:.0f} "
            f"| {shown} | {r['failed']} of {r['runs']} | {r['ess']:.1f} |"
        )
    args.out.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
