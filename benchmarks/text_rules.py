"""CPU seconds to compile rules on text for a large vocabulary, here and by a table of all tokens.

    python benchmarks/text_rules.py [--folder FOLDER] [--outlines PYTHON] [--out FILE]

The vocabulary is that of the tokenizer in FOLDER, or else the 50,000 most frequent words of
Python's standard library with the space before them, and all bytes. "One by one" follows every
token through the automaton and sums over all tokens for the look-ahead; its result is compared.
`PYTHON` is one that has outlines-core, whose index is timed for patterns of the same meaning: it
has no intersection, no negation and no look-ahead.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sysconfig
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from poedsl.experts.sequences.acceptor import Acceptor
from poedsl.experts.sequences.automata import Automaton, shorter
from poedsl.experts.sequences.language_model import read_vocabulary
from poedsl.experts.sequences.regular_expressions import searching
from poedsl.experts.sequences.vocabulary import Vocabulary

OUT = Path(__file__).parent / "results" / "text_rules.json"
TOKENS, PLACES = 50_000, 16
SENTENCE = r"^[^.]+[.]$"
#: Rules, and a pattern that matches the same whole texts.
RULES: dict[str, tuple[Callable[[], Automaton], str]] = {
    'matches "^[^.]+[.]$"': (lambda: searching(SENTENCE), r"[^.]+[.]"),
    "length < 70": (lambda: shorter(70), r"(?s).{0,69}"),
    "both": (lambda: searching(SENTENCE).both(shorter(70)), r"[^.]{1,68}[.]"),
    "two words, not a third, length < 60": (
        lambda: (
            searching("sea")
            .both(searching("sun"))
            .both(searching("bad").negated())
            .both(shorter(60))
        ),
        "",
    ),
}
OUTLINES = """\
import json, sys, time
from outlines_core import Index, Vocabulary
data = json.load(sys.stdin)
tokens = {}
for number, piece in enumerate(data["pieces"]):
    if piece:
        tokens.setdefault(bytes.fromhex(piece), []).append(number)
vocabulary = Vocabulary(data["end"], tokens)
seconds = []
for pattern in data["patterns"]:
    started = time.process_time()
    Index(pattern, vocabulary)
    seconds.append(time.process_time() - started)
print(json.dumps(seconds))
"""


def words(folder: str) -> Vocabulary:
    if folder:
        return Vocabulary(read_vocabulary(folder))
    counts: Counter[str] = Counter()
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("**/*.py")):
        counts.update(re.findall(r" ?\w+|[^\w\s]+", path.read_text("utf-8", "ignore")))
    frequent = [word.encode() for word, _ in counts.most_common(TOKENS - 256)]
    return Vocabulary((*(bytes([b]) for b in range(256)), *frequent))


def one_by_one(automaton: Automaton, vocabulary: Vocabulary, guess: Tensor) -> Tensor:
    """The look-ahead at the start of each state, by a table of states and tokens."""
    step = automaton.follows
    table = torch.empty(len(automaton), len(vocabulary), dtype=torch.long)
    for symbol, piece in enumerate(vocabulary.pieces):
        at = torch.arange(len(automaton))
        for byte in piece:
            at = step[at, byte]
        table[:, symbol] = at
    ahead = automaton.accepts.double().log()
    for logs in guess.double().flip(0):
        ahead = torch.stack([(logs + ahead[row]).logsumexp(0) for row in table])
    return ahead


def outlines(python: str, vocabulary: Vocabulary) -> list[float]:
    patterns = [pattern for _, pattern in RULES.values() if pattern]
    pieces = [piece.hex() for piece in vocabulary.pieces]
    data = json.dumps({"pieces": pieces, "end": len(pieces), "patterns": patterns})
    done = subprocess.run(
        [python, "-c", OUTLINES], input=data, capture_output=True, text=True, check=True
    )
    seconds: list[float] = json.loads(done.stdout)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default="")
    parser.add_argument("--outlines", metavar="PYTHON")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    torch.set_num_threads(1)
    vocabulary = words(args.folder)
    guess = torch.randn(PLACES, len(vocabulary), generator=torch.Generator().manual_seed(0))
    libraries = iter(outlines(args.outlines, vocabulary) if args.outlines else ())
    rows = []
    for name, (build, pattern) in RULES.items():
        searching.cache_clear()
        started = time.process_time()
        acceptor = Acceptor(build(), vocabulary, guess, normalised=False)
        ours = time.process_time() - started
        decoded = build().decoded()
        started = time.process_time()
        ahead = one_by_one(decoded, vocabulary, guess)
        slow = time.process_time() - started
        torch.testing.assert_close(acceptor.ahead[-1][:-2], ahead)
        row = {
            "rule": name,
            "states": len(decoded),
            "kinds of tokens": acceptor.transitions.table.shape[1],
            "seconds": round(ours, 3),
            "one by one": round(slow, 2),
            "ratio": round(slow / ours, 1),
        }
        if pattern and args.outlines:
            row["outlines-core"] = round(next(libraries), 3)
        rows.append(row)
        print(row, flush=True)
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps({"tokens": len(vocabulary), "rules": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
