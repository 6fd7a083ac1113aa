"""Programs, plans, files and folders from strangers: refused with a code, at little cost."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import poedsl
from poedsl.compiler.plan.plan import canonical_hash
from poedsl.experts.loading.transformers_models import processor
from poedsl.grammar.errors import PoeError
from poedsl.grammar.limits import LIMITS

#: Processor seconds that a refusal may take, and bytes that it may add to what is resident.
SECONDS, BYTES = 10, 2**30


@pytest.fixture(autouse=True)
def cheaply() -> Iterator[None]:
    clock, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - clock < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < BYTES


def codes(program: str, **values: object) -> list[str]:
    """The codes with which a program, its inputs or its run are refused."""
    with pytest.raises(PoeError) as caught:
        poedsl.compile(program).run(**values)  # type: ignore[arg-type]
    return [d.code for d in caught.value.diagnostics if d.is_error]


TWO = "x ~ Normal(0, 1) * Normal(1, 1)\nsample x by anneal({})"


@pytest.mark.parametrize(
    ("program", "code"),
    [
        (TWO.format("particles = 10^9"), "P0507"),
        (TWO.format("particles = 10^30"), "P0507"),
        (TWO.format("steps = 10^9"), "P0507"),
        (TWO.format("kernel = mala(steps = 10^30)"), "P0507"),
        (TWO.format("kernel = hmc(leaps = 10^9)"), "P0507"),
        (TWO.format("kernel = mala(step_size = 1e308)"), "P0502"),
        ("x : Real[10^12]\nx ~ Normal(0, 1)", "P0507"),
        ("x : Real[10^8]\nx ~ Normal(0, 1)", "P0507"),
        ("x : Tokens[10^6]\nx ~ Markov([0.5, 0.5], [[0.5, 0.5], [0.5, 0.5]])", "P0507"),
        ("x : Image[3, 13000, 13000]\nx ~ Normal(0, 1)", "P0507"),
        ("x ~ mixture(Normal(m, 1) for m in range(10^5))", "P0506"),
        ("x : Real\nfor i in range(10^5):\n    x ~ Normal(i, 1)", "P0506"),
        ("x ~ Normal(sum(i for i in range(10^9)), 1)", "P0306"),
        ("let a0 = [1]\n" + "".join(f"let a{i + 1} = concat(a{i}, a{i})\n" for i in range(40)), ""),
        ('x ~ Normal(matches("a", "a{1,4294967295}"), 1)', "P0306"),
        ('x ~ Normal(matches("a", "(?=(a+)+b)"), 1)', "P0306"),
        ("x ~ Normal(" + "abs(" * 10_000 + "1" + ")" * 10_000 + ", 1)", ""),
        ("x ~ Normal(" + "1 + " * 300_000 + "1, 1)", "P0507"),
        ("x : Tokens[4]\nx ~ Categorical(0.5)", "P0307"),
        ("x : Tokens[4]\nx ~ Markov(1, [[0.5, 0.5], [0.5, 0.5]])", "P0307"),
    ],
)
def test_programs_that_ask_for_too_much(program: str, code: str) -> None:
    found = codes(program)
    assert code in found if code else found


@pytest.mark.slow
def test_constants_and_loops_are_computed_to_a_limit() -> None:
    lets = "".join(f"let a{i + 1} = a{i} * 2\n" for i in range(20))
    program = f"let a0 = linspace(0, 1, count = 100000)\n{lets}x ~ Normal(a20[0], 1)"
    with poedsl.limits(operations=500_000):
        assert codes(program) == ["P0507"]


@pytest.mark.statistical
def test_nested_loops_over_constants_are_left_to_the_run() -> None:
    nested = "sum(sum(i * j for i in range(1000)) for j in range(1000)) / 10^12"
    plan = poedsl.compile(f"x ~ Normal({nested}, 1)")
    mean = float(plan.run(particles=1000).particles["x"].mean())
    assert abs(mean - (999 * 1000 / 2) ** 2 / 1e12) < 0.2


@pytest.mark.parametrize("pattern", ["(a+)+b", "(a|a)*b", "(a*)*b", "(.*)*(.*)*(.*)*b"])
def test_patterns_with_very_many_ways_to_match(pattern: str) -> None:
    text = "a" * 60
    plan = poedsl.compile(
        f'input s : Text\nx ~ Normal(1 * matches("{text}", "{pattern}"), 1)\n'
        f'x ~ where(not matches(s, "{pattern}"))'
    )
    assert plan.run(s=text, particles=16, steps=2).outcome.ok


def test_a_program_cannot_change_limits(tmp_path: Path) -> None:
    (tmp_path / "poe.toml").write_text("[limits]\nparticles = 10000000000\n")
    (tmp_path / "p.poe").write_text(TWO.format("particles = 10^9"))
    with pytest.raises(PoeError):
        poedsl.compile(tmp_path / "p.poe").run()


def test_limits_hold_within_a_block_and_are_checked() -> None:
    with poedsl.limits(particles=10):
        assert codes(TWO.format("particles = 11")) == ["P0507"]
    poedsl.compile(TWO.format("particles = 11"))
    for wrong in ({"particle": 3}, {"particles": 0}, {"particles": 1.5}):
        with pytest.raises(ValueError), poedsl.limits(**wrong):  # type: ignore[arg-type]
            pass


# Files.


def bound(tmp_path: Path, name: str, content: bytes, type_: str = "Real[2]") -> list[str]:
    path = tmp_path / name
    path.write_bytes(content)
    return codes(f"input a : {type_}\nx ~ Normal(mean(a), 1)", a=path)


def png(width: int, height: int) -> bytes:
    """A picture whose header states its size, with as many rows of zeros as fit in some bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000))
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def npy_header(*shape: int) -> bytes:
    out = io.BytesIO()
    description = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, description)  # type: ignore[arg-type]
    return out.getvalue()


def test_bombs(tmp_path: Path) -> None:
    assert bound(tmp_path, "a.png", png(30_000, 30_000), "Image[3, _, _]") == ["P0604"]
    assert bound(tmp_path, "a.npy", npy_header(10**12)) == ["P0507"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as members:
        members.writestr("a.npy", npy_header(10**9) + bytes(10**7))
    assert bound(tmp_path, "a.npz", packed.getvalue()) == ["P0507"]
    assert bound(tmp_path, "a.json", b"[" * 10**6) == ["P0604"]
    assert bound(tmp_path, "b.json", b'{"a":' * 10**5) == ["P0604"]
    with poedsl.limits(text=1000):
        assert bound(tmp_path, "c.json", b"[" + b"1," * 1000 + b"1]") == ["P0507"]
        assert bound(tmp_path, "c.csv", b"1,2\n" * 1000) == ["P0507"]


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="there is no file without an end")
def test_files_without_an_end(tmp_path: Path) -> None:
    with poedsl.limits(text=10**6, plan=10**6):
        with pytest.raises(PoeError):
            poedsl.compile(Path("/dev/zero"))
        os.symlink("/dev/zero", tmp_path / "a.json")
        assert codes("input a : Real\nx ~ Normal(a, 1)", a=tmp_path / "a.json") == ["P0507"]
        with pytest.raises(PoeError):
            poedsl.load(tmp_path / "a.json")


def test_pickles_are_not_read(tmp_path: Path) -> None:
    out = io.BytesIO()
    np.save(out, np.array([print], dtype=object), allow_pickle=True)
    assert bound(tmp_path, "a.npy", out.getvalue()) == ["P0604"]


def test_contents_of_other_files_are_not_echoed(tmp_path: Path) -> None:
    for name in ("a.npy", "a.json", "a.png", "a.npz"):
        (tmp_path / name).write_bytes(b"SECRET:x:0:0")
        plan = poedsl.compile("input a : Image[3, 2, 2]\nx ~ Normal(mean(a), 1)")
        with pytest.raises(PoeError) as caught:
            plan.bind(a=tmp_path / name)
        assert "SECRET" not in str(caught.value)


def test_names_that_are_none() -> None:
    for name in ("a" * 300, "a/" * 3000, "a\0b"):
        program = "input a : Real\nx ~ Normal(a, 1)"
        assert codes(program, a=Path(name)) == ["P0604"]
        with pytest.raises(PoeError):
            poedsl.load(Path(f"{name}.json"))


# Plans and folders.


def test_a_plan_with_very_many_stages_and_particles() -> None:
    data = json.loads(poedsl.compile("x ~ Normal(0, 1) * Normal(1, 1)").to_json())
    for name in ("steps", "particles"):
        for option in data["options"]:
            if option["name"] == name:
                option["value"] = 10**12
        with pytest.raises(PoeError) as caught:
            poedsl.load(json.dumps({**data, "hash": canonical_hash(data)}))
        assert [d.code for d in caught.value.diagnostics] == ["P0606"]


def test_a_plan_whose_reward_judges_nothing() -> None:
    program = "x : Image[1, 8, 8]\nx ~ digits() * exp(digit_score(3))"
    text = poedsl.compile(program).to_json()
    data = json.loads(text)
    del data["factors"][1]["term"]["kwargs"]["subject"]
    with pytest.raises(PoeError) as caught:
        poedsl.load(json.dumps({**data, "hash": canonical_hash(data)}))
    assert [d.code for d in caught.value.diagnostics] == ["P0606"]


@pytest.mark.parametrize(
    "statement",
    [
        "y[3] ~ Normal(m, 1)",
        "y[1:9] ~ Normal(m, 1)",
        "y[-4] ~ Normal(m, 1)",
        "m ~ Normal(y[5], 1)",
        "m ~ mixture(Normal(y[4], 1), Normal(0, 1))",
    ],
)
def test_indices_out_of_the_range_of_inputs(statement: str) -> None:
    assert codes(f"input y : Real[_] = [1, 2, 3]\nm ~ Normal(0, 1)\n{statement}") == ["P0603"]


def test_a_plan_that_is_nested_deeply() -> None:
    for text in ("[" * 10**6, '{"schema": ' * 10**5):
        with pytest.raises(PoeError) as caught:
            poedsl.load(text)
        assert [d.code for d in caught.value.diagnostics] == ["P0606"]


def test_code_beside_a_program_does_not_run_without_consent(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(
        f"open({str(tmp_path / 'ran')!r}, 'w').close()\nimport poedsl\n"
        "@poedsl.reward\ndef r(x: poedsl.Real[2]): return 0 * x.sum(-1)\n"
    )
    program = tmp_path / "p.poe"
    program.write_text('use r from "own.py:r"\nx : Real[2]\nx ~ Normal(0, 1) * exp(r())\n')
    plan = poedsl.compile(program)
    with pytest.raises(PoeError) as caught:
        plan.run()
    assert [d.code for d in caught.value.diagnostics] == ["P0707"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.ckpt", "weights.pt"])
def test_pickled_weights_are_not_read(name: str, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    pickle = b"cposix\nsystem\n(S'touch " + str(ran).encode() + b"'\ntR."
    (tmp_path / name).write_bytes(pickle)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "num_labels": 2}')
    program = f'x : Image[1, 8, 8]\nx ~ digits() * exp(digit_score(3, model = "{tmp_path}"))'
    assert codes(program)
    assert not ran.exists()


@pytest.mark.slow
def test_a_tokenizer_with_code_is_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    (tmp_path / "code.py").write_text(f"open({str(ran)!r}, 'w').close()\nclass Mine: pass\n")
    own = {"auto_map": {"AutoTokenizer": ["code.Mine", None]}, "tokenizer_class": "Mine"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(own))
    with pytest.raises((OSError, ValueError, KeyError)):
        processor("AutoTokenizer", str(tmp_path))
    assert not ran.exists()


# The command line.


def poe(*args: str, shell: str = "", cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from poedsl.cli.entry import entry; entry()", *args]
    if shell:
        command = ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *command]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, timeout=60)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
@pytest.mark.parametrize("streams", ["<&-", ">&-", "2>&-", ">/dev/full", "2>/dev/full"])
def test_standard_streams_that_are_closed_or_full(streams: str, tmp_path: Path) -> None:
    (tmp_path / "p.poe").write_text("x ~ Normal(0, 1)\n")
    (tmp_path / "wrong.poe").write_text("x ~ Nrmal(0, 1)\n")
    for args in (("check", "p.poe"), ("check", "wrong.poe"), ("check", "-")):
        done = poe(*args, shell=streams, cwd=tmp_path)
        assert done.returncode in (0, 1, 2, 3), done.stderr
        assert "internal error" not in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_control_characters_do_not_reach_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "p.poe").write_text('input s : Text = "\x1b[31mred"\nx ~ Normal(length(s), \x07)\n')
    done = poe("check", "p.poe", cwd=tmp_path)
    assert "\x1b" not in done.stdout + done.stderr and "\x07" not in done.stdout + done.stderr


@pytest.mark.slow
def test_the_command_line_changes_limits(tmp_path: Path) -> None:
    (tmp_path / "p.poe").write_text(TWO.format("particles = 10^8"))
    assert poe("check", "p.poe", cwd=tmp_path).returncode == 1
    raised = poe("check", "p.poe", "--limit", "particles=200,000,000", cwd=tmp_path)
    assert raised.returncode == 0, raised.stderr
    assert poe("check", "p.poe", "--limit", "nonsense=3", cwd=tmp_path).returncode == 2


def test_every_limit_is_documented() -> None:
    page = (Path(__file__).parents[1] / "SECURITY.md").read_text()
    for name, limit in LIMITS.items():
        assert f"| `{name}` | {limit.default:,} {limit.unit} | {limit.of} |" in page
