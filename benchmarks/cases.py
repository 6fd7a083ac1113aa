"""The command line of scripts that try damaged inputs, case by case."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from typing import NoReturn

#: How many failures are printed.
SHOWN = 20


def parser(description: str | None, count: int) -> argparse.ArgumentParser:
    """The arguments that the scripts share."""
    out = argparse.ArgumentParser(description=(description or "").splitlines()[0])
    out.add_argument("--count", type=int, default=count, help="how many cases")
    out.add_argument("--seed", type=int, default=0)
    out.add_argument("--case", type=int, help="run this case alone")
    return out


def report(
    args: argparse.Namespace, run: Callable[[int, int, int], tuple[Mapping[str, int], list[str]]]
) -> NoReturn:
    """Run the cases and print how often each outcome occurred; exits with 1 if one failed.

    Args:
        run: from a number of cases, a seed and the number of the first case, how often each outcome
            occurred, and what failed.
    """
    clock = time.perf_counter()
    alone = args.case is not None
    counts, failures = run(1 if alone else args.count, args.seed, args.case if alone else 0)
    for failure in failures[:SHOWN]:
        print(failure)
    for what in sorted(counts):
        print(f"{what:<24} {counts[what]:>6}")
    seconds = time.perf_counter() - clock
    print(f"{sum(counts.values()) + len(failures)} cases, {len(failures)} failed, {seconds:.0f} s")
    raise SystemExit(1 if failures else 0)
