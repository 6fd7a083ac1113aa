"""The command ``poe``: exit codes, what goes where, and never a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from poedsl.catalog.registry import SIGNATURES
from poedsl.cli.entry import entry
from poedsl.compiler.codes import CODES
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.plan import canonical_hash

ROOT = Path(__file__).parents[2]
QUICK = ("--sample", "particles=16", "--sample", "steps=4")
INPUTS = "input s : Real\ninput seen : Image[1, 8, 8]\nx ~ Normal(s, 1) * exp(-mean(seen) * x^2)\n"


@dataclass(frozen=True)
class Done:
    """A finished command."""

    code: int
    out: str
    err: str


Poe = Callable[..., Done]


@pytest.fixture
def poe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Poe:
    """Runs a command in an empty folder, and sees that nothing unexpected comes up."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["poe", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            entry()
        out, err = capsys.readouterr()
        code = ended.value.code
        done = Done(code if isinstance(code, int) else 0, out, err)
        assert done.code in (0, 1, 2, 3), done
        assert "Traceback" not in out + err
        return done

    return run


def write(text: str, name: str = "program.poe") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


# Exit codes and streams.


def test_clean_programs_exit_with_0(poe: Poe) -> None:
    done = poe("check", write("input s : Real = 2\nx ~ Normal(s, 1)\n"))
    assert done == Done(
        0,
        "variable x : Real\ninput s : Real = 2  (declared at program.poe:1:1)\nprogram.poe: ok\n",
        "",
    )


def test_check_lists_every_input_and_where_it_came_from(poe: Poe) -> None:
    done = poe("check", "-", stdin="x ~ flux_fill(area) * exp(vqascore(prompt))")
    assert (
        done.out.splitlines()
        == [
            "variable x : Image",
            "input area : Mask  (inferred at <stdin>:1:15)",
            "input image : Image  (ambient at <stdin>:1:5)",
            "input prompt : Text  (ambient at <stdin>:1:5)",
            "<stdin>: ok",
        ]
        or "variable x : Image[3, _, _]" in done.out
    )


def test_warnings_exit_with_0(poe: Poe) -> None:
    done = poe("check", write("input s : Real\nx ~ Normal(0, 1)\n"))
    assert done.code == 0
    assert "warning[P0801]" in done.err


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_errors_exit_with_1(poe: Poe, command: str) -> None:
    done = poe(command, "-", stdin="x ~ Normal(0, -1)\ny ~ Nomral(0, 1)\n")
    assert done.code == 1
    assert done.out == ""
    assert "error[P0307]" in done.err
    assert "error[P0202]" in done.err
    assert done.err.endswith("2 errors\n")


def test_strict(poe: Poe) -> None:
    text = "x ~ flux(prompt)"
    assert poe("check", "-", stdin=text).code == 0
    assert "P0205" in poe("check", "-", "--strict", stdin=text).err


@pytest.mark.parametrize(
    "arguments",
    [
        ("fly",),
        ("check",),
        ("check", "missing.poe"),
        ("check", "."),
        ("check", "program.poe", "--no-such-option"),
        ("run", "missing.poe"),
        ("run", "program.poe", "--set", "novalue"),
        ("run", "program.poe", "--seed", "many"),
        ("run", "program.poe", "--microbatch", "0"),
        ("run", "program.poe", "--dtype", "float16"),
        ("explain", "P9999"),
        ("experts", "nothing_of_the_kind"),
    ],
)
def test_usage_exits_with_2(poe: Poe, arguments: tuple[str, ...]) -> None:
    write("x ~ Normal(0, 1)\n")
    done = poe(*arguments)
    assert done.code == 2
    assert done.err


def test_what_is_no_text_exits_with_2(poe: Poe) -> None:
    Path("program.poe").write_bytes(b"x ~ Normal(0, 1) # \xff\xfe\n")
    done = poe("check", "program.poe")
    assert done.code == 2
    assert "UTF-8" in done.err


def test_unreadable_files_exit_with_2(poe: Poe) -> None:
    path = Path(write("x ~ Normal(0, 1)\n"))
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads everything")
    assert poe("check", str(path)).code == 2


def test_failed_runs_exit_with_3_and_leave_what_they_had(poe: Poe, tmp_path: Path) -> None:
    out = tmp_path / "out"
    text = "x ~ Normal(0, 1) * where(x > 1 and x < 0)"
    done = poe("run", "-", *QUICK, "--out", str(out), stdin=text)
    assert done.code == 3
    assert json.loads((out / "result.json").read_text())["outcome"] == "no_weight"
    assert (out / "particles.safetensors").exists()


def test_version(poe: Poe) -> None:
    assert poe("--version").out.startswith("poe ")


# Diagnostics as JSON.


def test_json_diagnostics(poe: Poe) -> None:
    text = "let a = [1, 2]\nx ~ Normal(sigm, 1) * Normal(0, [1, 2, 3])\nlet sigma = 2\n"
    done = poe("check", "--diagnostics=json", "-", stdin=text)
    assert done.code == 1
    found = json.loads(done.out)
    assert found
    for diagnostic in found:
        keys = {"code", "severity", "message", "file", "span", "labels", "notes", "fixes"}
        assert keys <= set(diagnostic)
        assert diagnostic["code"] in CODES
        assert diagnostic["severity"] in ("error", "warning", "note")
        assert diagnostic["file"] == "<stdin>"
        for span in (diagnostic["span"], *(label["span"] for label in diagnostic["labels"])):
            for end in (span["start"], span["end"]):
                assert set(end) == {"line", "column", "offset"}
                lines = text.split("\n")
                before = sum(len(line) + 1 for line in lines[: end["line"] - 1])
                assert before + end["column"] - 1 == end["offset"]


def test_json_of_a_clean_program_is_an_empty_list(poe: Poe) -> None:
    assert json.loads(poe("check", "--diagnostics=json", "-", stdin="x ~ Normal(0, 1)").out) == []


@pytest.mark.parametrize("command", ["plan", "run"])
def test_json_diagnostics_of_other_commands(poe: Poe, command: str) -> None:
    done = poe(command, "--diagnostics=json", "-", stdin="x ~ Normal(s, 1)")
    assert done.code == 1
    assert [d["code"] for d in json.loads(done.err)] == ["P0201"]


# Inputs, options, plans.


def test_unbound_inputs(poe: Poe) -> None:
    done = poe("run", "-", stdin=INPUTS)
    assert done.code == 1
    assert done.err.count("error[P0601]") == 2
    assert "--set s=VALUE" in done.err
    assert "--set seen=@FILE" in done.err


def test_unknown_inputs_with_a_near_name(poe: Poe) -> None:
    done = poe("run", "-", "--set", "sen=@a.png", stdin=INPUTS)
    assert done.code == 1
    assert "error[P0605]" in done.err
    assert "`seen`" in done.err


@pytest.mark.parametrize(
    "given, code",
    [
        ("seen=@missing.png", "P0604"),
        ("seen=@broken.png", "P0604"),
        ("seen=@.", "P0604"),
        ("s=@.", "P0604"),
        ("seen=@", "P0604"),
        ("seen=@program.poe", "P0604"),
        ("seen=[[[1, 2], [3]]]", "P0602"),
        ("seen=[[[1, 2]]]", "P0603"),
        ("s=text", "P0602"),
        ("s=[1, 2]", "P0603"),
        ("s={}", "P0602"),
        ("s=NaN", "P0602"),
        ("s=1e999", "P0602"),
    ],
)
def test_unfit_values(poe: Poe, given: str, code: str) -> None:
    file = write(INPUTS)
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\nbroken")
    done = poe("run", file, "--set", given)
    assert done.code == 1
    assert f"error[{code}]" in done.err


@pytest.mark.parametrize(
    "option, code",
    [
        ("particels=3", "P0501"),
        ("particles=0", "P0502"),
        ("particles=", "P0"),
        ("kernel=mala(", "P0"),
        ("kernel=hmcc()", "P0502"),
        ("islands=3", "P0503"),
    ],
)
@pytest.mark.parametrize("kind", ["poe", "json"])
def test_unfit_options(poe: Poe, option: str, code: str, kind: str) -> None:
    file = write("x ~ Normal(0, 1)\n")
    if kind == "json":
        file = write(poe("plan", file, "--emit=json").out, "plan.json")
    done = poe("run", file, "--sample", option)
    assert done.code == 1
    assert f"error[{code}" in done.err
    assert "similar name: `particles`" in done.err or "particels" not in option


def test_files_without_a_name(poe: Poe) -> None:
    done = poe("run", "-", "--set", "s=@", stdin=INPUTS)
    assert done.code == 1 and "error[P0604]" in done.err
    done = poe("run", "-", *QUICK, "--out", "", stdin="x ~ Normal(0, 1)")
    assert done.code == 2 and "--out" in done.err
    assert not Path("plan.json").exists()


def test_devices_that_do_not_exist(poe: Poe) -> None:
    for device in ("nothing", "cuda:99", "cpu:x", ""):
        done = poe("run", "-", "--device", device, *QUICK, stdin="x ~ Normal(0, 1)")
        assert done.code == 3
        assert "error[P0702]" in done.err


def test_experts_that_do_not_run(poe: Poe) -> None:
    text = 'input p : Text = "a cat"\nx : Image[3, 8, 8]\nx ~ flux(p)\n'
    done = poe("run", "-", *QUICK, stdin=text)
    assert done.code == 3
    assert "error[P0701]" in done.err


def test_plans_run_like_their_programs(poe: Poe) -> None:
    file = write("input s : Real = 3\nx ~ Normal(s, 1)\n")
    plan = write(poe("plan", file, *QUICK, "--emit=json").out, "plan.json")
    assert poe("plan", plan).out == poe("plan", file, *QUICK).out
    first, second = poe("run", plan), poe("run", file, *QUICK)
    assert first.code == second.code == 0


@pytest.mark.parametrize("text", ["{}", "{", '{"schema": "poedsl-plan/9"}'])
def test_what_is_no_plan(poe: Poe, text: str) -> None:
    done = poe("run", "-", stdin=text)
    assert done.code == 1
    assert "error[P0606]" in done.err


def test_a_wrong_plan_with_the_right_hash(poe: Poe) -> None:
    data = json.loads(poe("plan", "--emit=json", "-", stdin="x ~ Normal(0, 1)").out)
    data["factors"][0]["term"] = 5
    done = poe("run", "-", stdin=json.dumps({**data, "hash": canonical_hash(data)}))
    assert done.code == 1
    assert "error[P0606]" in done.err and "`factors[0].term`" in done.err


def test_changed_plans_are_refused(poe: Poe) -> None:
    text = poe("plan", "--emit=json", "-", stdin="x ~ Normal(0, 1)").out
    done = poe("run", "-", stdin=text.replace('"Normal"', '"Cauchy"'))
    assert done.code == 1
    assert "error[P0606]" in done.err and "sha256:" in done.err


# Results.


def test_results_go_to_a_folder(poe: Poe) -> None:
    done = poe("run", "-", *QUICK, "--out", "out", stdin="x ~ Normal(0, 1)")
    assert done.code == 0
    names = {p.name for p in Path("out").iterdir()}
    assert {"result.json", "particles.safetensors", "plan.json", "log.jsonl"} <= names
    assert json.loads(Path("out/result.json").read_text())["schema"]


def test_a_run_in_double_precision(poe: Poe) -> None:
    done = poe("run", "-", *QUICK, "--dtype", "float64", "--out", "out", stdin="x ~ Normal(0, 1)")
    assert done.code == 0
    header = Path("out/particles.safetensors").read_bytes()[8:].split(b"}}", 1)[0] + b"}}"
    assert json.loads(header)["x"]["dtype"] == "F64"


def test_a_folder_below_a_plain_file(poe: Poe) -> None:
    write("text", "file")
    for out in ("file", "file/out"):
        done = poe("run", "-", *QUICK, "--out", out, stdin="x ~ Normal(0, 1)")
        assert done.code == 3
        assert "error[P0704]" in done.err


@pytest.mark.slow
def test_a_disk_that_takes_no_more(tmp_path: Path) -> None:
    """Where the system can end files at a size, as a full disk does."""
    resource = pytest.importorskip("resource")
    code = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
from poedsl.cli.entry import entry
entry()
"""
    assert resource.RLIMIT_FSIZE >= 0
    done = process(
        tmp_path, "run", "-", *QUICK, "--out", "out", stdin=b"x ~ Normal(0, 1)", code=code
    )
    assert done.returncode == 3, done.stderr
    assert b"error[P0704]" in done.stderr
    assert b"Traceback" not in done.stderr


# Reference.


@pytest.mark.parametrize("code", CODES)
def test_explain(poe: Poe, code: str) -> None:
    done = poe("explain", code.lower())
    assert done.code == 0
    assert done.out.startswith(f"{code}: {CODES[code].title}\n")


def test_experts(poe: Poe) -> None:
    done = poe("experts")
    assert done.code == 0
    forms = ["mixture", "where", "exp", "scan", "log_prob"]
    names = [*SIGNATURES, *forms, *(name for name in FUNCTIONS if name not in forms)]
    assert [line.split()[0] for line in done.out.splitlines()] == names


@pytest.mark.parametrize("name", ["mixture", "where", "exp"])
def test_a_factor_that_is_no_expert(poe: Poe, name: str) -> None:
    done = poe("experts", name)
    assert done.code == 0
    assert done.out.startswith(f"{name}(")
    for line in done.out.splitlines():
        if line.startswith("    x ~"):
            assert poe("check", "-", stdin=line).code == 0


def test_warnings_come_after_what_is_missing(poe: Poe) -> None:
    file = write("input s : Real\ninput u : Real = 1\nx ~ Normal(s, 1)\n")
    assert "P0801" not in poe("run", file, *QUICK).err
    assert "P0801" in poe("run", file, "--set", "s=1", *QUICK).err
    assert "P0801" not in poe("run", "-", stdin="input u : Real\nx ~ Nomral(0, 1)\n").err


@pytest.mark.parametrize("name", SIGNATURES)
def test_an_expert(poe: Poe, name: str) -> None:
    done = poe("experts", name)
    assert done.code == 0
    assert done.out.startswith(f"{name}(")


def test_an_expert_of_a_similar_name(poe: Poe) -> None:
    assert "similar name: Normal" in poe("experts", "normal").err


# As a process.


ENTRY = "from poedsl.cli.entry import entry; entry()"


def process(
    folder: Path, *arguments: str, stdin: bytes = b"", code: str = ENTRY
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=stdin,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=folder,
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize(
    "text, code",
    [
        (b"x ~ Normal(0, 1)", 0),
        (b"x ~ Normal(0, -1)", 1),
        (b"x ~ \xff", 2),
        (b"x ~ Normal(0, 1)\0\n", 1),
        (b"\xef\xbb\xbfx ~ Normal(0, 1)\r\n", 0),
        (b"", 1),
    ],
)
def test_the_process(tmp_path: Path, text: bytes, code: int) -> None:
    done = process(tmp_path, "check", "-", stdin=text)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
def test_weights_of_networks_are_shown_before_they_are_loaded(poe: Poe) -> None:
    file = write('x : Image[3, 16, 16]\nx ~ flux("a cat")\n')
    arguments = (file, "--profile", "small", "--sample", "steps=2", "--sample", "particles=1")
    planned = poe("plan", *arguments).out
    (counted,) = (ln for ln in planned.splitlines() if "parameters" in ln)
    assert counted.startswith("# flux: ")
    assert counted.removeprefix("# ") in poe("run", *arguments).err
    assert "parameters" not in poe("plan", *arguments, "--emit=json").out
    assert poe("plan", file, "--device", "nowhere").code == 1
    assert "parameters" not in poe("run", file).err  # what is missing is said instead
