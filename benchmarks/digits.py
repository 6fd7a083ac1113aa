"""Half-seen digits: how well held-out real digits are completed, by an independent classifier's
opinion.

    python benchmarks/digits.py [--digits 100]

For each of the held-out digits the program sees the left half and the label. Reported: the
observed half's RMSE on the grey range, and how often scikit-learn's SVC, trained on the training
part, names the completed digit; for the best of 16 particles, for a draw by weight, and both
without the classifier's factor.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.svm import SVC

import poedsl

ROOT = Path(__file__).parent.parent
PROGRAM = (ROOT / "programs" / "digits.poe").read_text()
WITHOUT = PROGRAM.replace(" * exp(4 * digit_score(label))", "").replace(
    "input label : Int = 3\n", ""
)


def held_out() -> list[int]:
    data = json.loads((ROOT / "models" / "digits" / "held_out.json").read_text())
    return list(data["held_out"] if isinstance(data, dict) else data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    data, outside = load_digits(), held_out()
    inside = np.setdiff1d(np.arange(len(data.target)), outside)
    classifier = SVC(gamma=0.001).fit(data.data[inside], data.target[inside])
    real = classifier.score(data.data[outside], data.target[outside])
    print(f"the classifier names {100 * real:.1f} % of the {len(outside)} real held-out digits")
    chosen = np.random.default_rng(args.seed).permutation(outside)[: args.digits]
    print(f"{'program':<20}{'picked':<12}{'RMSE mean':>10}{'worst':>8}{'named':>8}{'s a run':>9}")
    for name, text in (("as written", PROGRAM), ("no classifier", WITHOUT)):
        plan = poedsl.compile(text)
        found: dict[str, list[tuple[float, bool]]] = {"best of 16": [], "by weight": []}
        start = time.perf_counter()
        for seed, index in enumerate(chosen):
            seen = data.images[index] / 16
            values = {"seen": seen[None]}
            if "label" in text:
                values["label"] = int(data.target[index])
            result = plan.bind(**values).run(seed=args.seed + seed)
            pictures = {
                "best of 16": result.best()["x"][0].numpy(),
                "by weight": result.sample(1, seed=seed)["x"][0, 0].numpy(),
            }
            for how, picture in pictures.items():
                rmse = float(np.sqrt(((picture - seen)[:, :4] ** 2).mean()))
                named = classifier.predict((16 * picture).reshape(1, -1))[0] == data.target[index]
                found[how].append((rmse, bool(named)))
        seconds = (time.perf_counter() - start) / len(chosen)
        for how, rows in found.items():
            errors, named_right = zip(*rows, strict=True)
            print(
                f"{name:<20}{how:<12}{np.mean(errors):>10.4f}{max(errors):>8.4f}"
                f"{100 * np.mean(named_right):>7.0f}%{seconds:>9.2f}"
            )


if __name__ == "__main__":
    main()
