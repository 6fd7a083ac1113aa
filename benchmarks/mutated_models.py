"""Damaged folders of models: each is loaded as it is written, warned of, or refused.

    python -m benchmarks.mutated_models [COUNT] [SEED] [--case NUMBER]

Each case takes a small model with random weights, changes its folder in one way (files deleted,
renamed, truncated, swapped, added or replaced by links, bits flipped, weights dropped, added,
renamed, reshaped or of another type, headers rewritten, values and classes in configurations
replaced, options of schedulers set), and loads and evaluates it. A case fails if

- an exception other than PoeError is raised, or it takes more than `PATIENCE` seconds;
- a library prints something while it is loaded;
- a second load differs from the first, so that something random stands in for what is missing;
- a weight of the network is not that of its file;
- without a warning, the output is not what the library computes from the same folder.
"""

from __future__ import annotations

import argparse
import collections
import io
import logging
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

import poedsl
from benchmarks.model_mutations import mutate
from benchmarks.model_subjects import SUBJECTS, Loaded, Subject
from poedsl.experts.loading.cache import Cached
from poedsl.experts.loading.libraries import quiet_loading
from poedsl.experts.loading.load_warnings import collected
from poedsl.grammar.errors import PoeError, is_out_of_memory
from tests.experts.test_rewards import KINDS

CODES = {"P0206", "P0211", "P0307", "P0701", "P0703"}
#: Bytes of memory that a process may have, and seconds that a case may take.
MEMORY, PATIENCE = 12 * 2**30, 60


class Case(NamedTuple):
    """What was done to which model, how that ended, and what is wrong with it."""

    subject: str
    change: str
    outcome: str
    fault: str = ""


def clear_caches() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("poedsl."):
            for value in vars(module).values():
                if isinstance(value, Cached):
                    value.cache_clear()


def load(subject: Subject, folder: Path, seed: int) -> tuple[Loaded, bool]:
    """What the package loads, and whether it warned."""
    clear_caches()
    torch.manual_seed(seed)
    with collected() as found, torch.no_grad():
        loaded = subject.load(str(folder))
    return loaded, bool(found)


def states(loaded: Loaded) -> Iterator[tuple[str, str, Tensor]]:
    for part, network in loaded.networks.items():
        for name, value in network.state_dict().items():
            yield part, name, value.clone()


def same(a: Tensor, b: Tensor, tolerance: float = 0.0) -> bool:
    return a.shape == b.shape and torch.allclose(
        a.double(), b.double(), rtol=tolerance, atol=tolerance, equal_nan=True
    )


def unlike_file(loaded: Loaded, folder: Path) -> str:
    """The name of a weight that is not that of its file; empty where there is none."""
    written: dict[tuple[str, str], Tensor] = {}
    for part in loaded.networks:
        for path in (folder / part).glob("*.safetensors"):
            if "lora" not in path.name:
                written |= {(part, k): v for k, v in load_file(path).items()}
    return next(
        (
            f"{part}/{name}"
            for part, name, value in states(loaded)
            if (part, name) in written and not same(value, written[part, name].to(value.dtype))
        ),
        "",
    )


def library(subject: Subject, folder: Path) -> Tensor | None:
    """What the library computes; None where it refuses the folder."""
    assert subject.library is not None
    try:
        with quiet_loading(), torch.no_grad():
            return subject.library(str(folder))
    except Exception:
        return None


def as_program(folder: Path, whole: bool) -> None:
    """A program that uses a folder, compiled and printed, and run if its whole course is of
    interest; what is wrong with it is a PoeError.
    """
    words = any(folder.glob("*.gguf")) or (folder / "generation_config.json").is_file()
    variable = "x : Tokens[3]" if words else "x : Image[3, 32, 32]"
    try:
        plan = poedsl.compile(f'use e from "{folder}"\n{variable}\nx ~ e("a cat")')
        str(plan)
        if whole:
            plan.run(particles=1, steps=1, seed=0)
    except PoeError:
        pass


def examine(name: str, folder: Path, change: str, whole: bool = False) -> Case:
    """Whether a folder is loaded as it is written, warned of, or refused.

    Args:
        change: what was done to it. whole: whether a program with it is run, too.
    """
    subject = SUBJECTS[name]
    try:
        with printed() as text:
            as_program(folder, whole)
            first, warned = load(subject, folder, 0)
        if found := text.getvalue().strip():
            return Case(name, change, "loaded", f"a library prints: {found[:200]}")
        second, _ = load(subject, folder, 1)
    except PoeError as error:
        code = error.diagnostics[0].code
        return Case(name, change, "refused", "" if code in CODES else f"code {code}")
    except Exception as error:
        if is_out_of_memory(error):
            return Case(name, change, "no memory")
        return Case(name, change, "error", traceback.format_exc(limit=-4))
    pairs = zip(states(first), states(second), strict=True)
    if not same(first.output, second.output) or not all(same(a[2], b[2]) for a, b in pairs):
        return Case(name, change, "loaded", "two loads differ")
    if weight := unlike_file(first, folder):
        return Case(name, change, "loaded", f"{weight} is not that of its file")
    if warned:
        return Case(name, change, "warned")
    if subject.library is None:
        return Case(name, change, "loaded alone")
    theirs = library(subject, folder)
    if theirs is None:
        return Case(name, change, "loaded, not by the library")
    tolerance = 0.02 if name in KINDS else 1e-3
    fault = "" if same(first.output, theirs, tolerance) else "the library computes something else"
    return Case(name, change, "loaded", fault)


@contextmanager
def printed() -> Iterator[io.StringIO]:
    """What is printed in a block, by the handlers of libraries, too."""
    text = io.StringIO()
    loggers = [logging.getLogger(library) for library in ("transformers", "diffusers")]
    handlers = [logger.handlers for logger in loggers]
    for logger in loggers:
        logger.handlers = [logging.StreamHandler(text)]
    try:
        with redirect_stderr(text), redirect_stdout(text):
            yield text
    finally:
        for logger, own in zip(loggers, handlers, strict=True):
            logger.handlers = own


@contextmanager
def silent() -> Iterator[None]:
    """Without the warnings of libraries about what they are made to load."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """A `TimeoutError` in a block that takes longer."""

    def late(*_: object) -> None:
        raise TimeoutError(f"it takes more than {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


class Originals:
    """Folders of unchanged models, each built once."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def copy(self, name: str, folder: Path) -> None:
        """A copy whose files are links to the originals."""
        source = self.place / name
        if not source.exists():
            torch.manual_seed(0)
            with quiet_loading():
                SUBJECTS[name].build(source)
        shutil.copytree(source, folder, copy_function=os.link)


def case(number: int, seed: int, originals: Originals) -> Case:
    """One mutated folder."""
    r = random.Random(f"{seed}/{number}")
    name = r.choice(sorted(SUBJECTS)) if r.random() < 0.8 else r.choice(["flux", "unet", "llama"])
    folder = originals.place / f"case-{number}"
    originals.copy(name, folder)
    try:
        change = mutate(r, folder)
        with silent(), limited(PATIENCE):
            return examine(name, folder, change, whole=r.random() < 0.2)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    parser.add_argument("--case", type=int, help="the number of a single case")
    parser.add_argument("--show", default="", help="an outcome whose cases are printed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    began, counts, faults = time.time(), collections.Counter[tuple[str, str]](), 0
    numbers = range(options.count) if options.case is None else [options.case]
    with tempfile.TemporaryDirectory() as place:
        originals = Originals(Path(place))
        for number in numbers:
            found = case(number, options.seed, originals)
            counts[found.subject, found.outcome] += 1
            if found.fault or options.case is not None or found.outcome == options.show:
                faults += bool(found.fault)
                print(f"case {number}: {found.subject}: {found.change}: {found.outcome}")
                print(f"    {found.fault}", flush=True)
    outcomes = sorted({outcome for _, outcome in counts})
    print("| model | " + " | ".join(outcomes) + " |")
    print("|---" * (len(outcomes) + 1) + "|")
    for name in sorted({name for name, _ in counts}):
        print(f"| {name} | " + " | ".join(str(counts[name, o]) for o in outcomes) + " |")
    seconds = time.time() - began
    print(f"{len(numbers)} folders, {faults} faults, {seconds:.0f} s")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
