"""Damaged and odd values for inputs: each is read, or refused by a PoeError.

    python benchmarks/mutated_inputs.py [--count 3000] [--seed 0] [--case NUMBER]

Each case draws a picture, an array, a table, a layout, a text, a folder of frames or a Python
value, damages it (truncated, bits flipped, bytes inserted, sizes overwritten, parts of JSON
replaced), and binds it to an input of a random type. A case fails if

- an exception other than PoeError is raised, or a library prints a warning;
- what was read is not finite, not in [0, 1] for pictures and maps, or not of the shape of its type;
- the plan's JSON does not hold it;
- a picture file and the PIL image of that file are read differently;
- the numbers of a table, or of data for several inputs, are not those of another reader.
"""

from __future__ import annotations

import collections
import json
import reprlib
import tempfile
import traceback
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cases import parser, report
from odd_values import DATA, PIXELS, Case, case
from PIL import Image

import poedsl
from poedsl.compiler.plan.plan_parts import Array
from poedsl.grammar.types import Type, unify


@cache
def plan(type_: str) -> poedsl.Plan:
    return poedsl.compile(f"input a : {type_}\nx ~ Normal(0, 1)")


def outcome(type_: str, value: Any) -> tuple[str, Any]:
    """The code of the error, or "" and what the plan keeps."""
    try:
        bound = plan(type_).bind(a=value)
    except poedsl.PoeError as error:
        (found,) = error.diagnostics
        assert found.code in ("P0602", "P0603", "P0604", "P0611", "P0608"), found
        assert found.message
        return found.code, None
    assert poedsl.load(bound.to_json()).spec == bound.spec
    ((_, kept),) = bound.spec.bindings
    if isinstance(kept, Array):
        wanted = bound.spec.inputs[0].type
        array = np.frombuffer(kept.data, kept.dtype).reshape(kept.shape)
        assert np.isfinite(array).all()
        assert unify(wanted, Type(wanted.name, kept.shape)) is not None, kept.shape
        if type_ in PIXELS and array.size:
            assert array.min() > -0.01 and array.max() < 1.01
    return "", kept


def data_outcome(value: Any) -> str:
    """The code of the error that refuses data for several inputs, empty if they are read."""
    program = "input y : Real[_] = [0]\ninput k : Int[_] = [0]\ninput n : Int = 1\nx ~ Normal(0, 1)"
    try:
        bound = poedsl.compile(program).bind(value)
    except poedsl.PoeError as error:
        codes = {d.code for d in error.diagnostics}
        assert codes <= {"P0602", "P0603", "P0604", "P0608", "P0611"}, error.diagnostics
        assert all(d.message for d in error.diagnostics)
        return min(codes)
    kept = dict(bound.spec.bindings)
    for name, column in (read_again(value) or {}).items():
        if name in ("y", "k"):
            array = kept[name]
            found = np.frombuffer(array.data, array.dtype).reshape(array.shape)
            np.testing.assert_array_equal(found, np.asarray(column, np.float64).astype(array.dtype))
    return ""


def read_again(value: Any) -> dict[str, Any] | None:
    """The columns of data by other means; None where these cannot read them."""
    import pandas

    try:
        if not isinstance(value, Path):
            return {str(name): value[name].astype("float64") for name in value.columns}
        match value.suffix:
            case ".json":
                read = json.loads(value.read_bytes())
                return {n: np.asarray(c, np.float64) for n, c in read.items() if n in ("y", "k")}
            case ".parquet":
                return read_again(pandas.read_parquet(value))
            case ".npz":
                return dict(np.load(value))
            case _:
                header, *rows = [line for line in value.read_text().splitlines() if line.strip()]
                separator = next(s for s in "\t;," if s in header)
                cells = [[float(c) for c in row.split(separator)] for row in rows]
                names = [name.strip().strip('"') for name in header.split(separator)]
                return dict(zip(names, zip(*cells, strict=True), strict=True))
    except Exception:  # What another reader does not read is not compared.
        return None


def check(case: Case) -> str:
    """The code of the error that refuses the case, empty if it was read."""
    if case.type == DATA:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return data_outcome(case.value)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        code, kept = outcome(case.type, case.value)
    assert not caught, caught[0].message
    if case.kind == "picture" and case.type in PIXELS and not code:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(case.value) as image:
                again, alike = outcome(case.type, image)
        assert again == "" and alike.data == kept.data, "the PIL image is read differently"
    return code


def run(count: int, seed: int, first: int = 0) -> tuple[dict[str, int], list[str]]:
    """How often each kind was read or refused, and what failed."""
    counts: dict[str, int] = collections.Counter()
    failures = []
    for number in range(first, first + count):
        with tempfile.TemporaryDirectory() as folder:
            drawn = case(number, seed, Path(folder))
            try:
                code = check(drawn)
            except Exception:
                shown = f"{drawn.kind} for {drawn.type}: {reprlib.repr(drawn.value)}"
                failures.append(f"case {number} of seed {seed}, {shown}\n{traceback.format_exc()}")
            else:
                counts[f"{drawn.kind:<8} {code or 'read'}"] += 1
    return counts, failures


if __name__ == "__main__":
    report(parser(__doc__, 3000).parse_args(), run)
