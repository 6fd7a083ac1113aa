"""The programs of the tutorial are the files, and its commands print what it shows."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shlex
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from poedsl.cli.main import app

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
FOLDER = ROOT / "docs" / "tutorial"

#: Vocabulary of a fence, its content.
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_TIME = re.compile(r"^(time  |peak memory|this takes).*\n", re.M)
#: A component in a table of the posterior.
_ROW = re.compile(r"^\w+(\[[\d, ]+\])?( +-?[\d.]+)+$")
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


def sections() -> list[str]:
    """The text of each step, with its heading."""
    return re.split(r"^(?=## )", TUTORIAL.read_text(encoding="utf-8"), flags=re.M)[1:]


STEPS = [s.splitlines()[0].removeprefix("## ") for s in sections()]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the tutorial, where commands may write."""
    root = tmp_path_factory.mktemp("tutorial")
    shutil.copytree(FOLDER, root / "docs" / "tutorial")
    shutil.copytree(ROOT / "programs" / "inputs", root / "programs" / "inputs")
    return root / "docs" / "tutorial"


@pytest.mark.slow
@pytest.mark.parametrize("step", range(len(STEPS)), ids=lambda i: STEPS[i].split(".")[0])
def test_step(
    step: int, copy: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(copy)
    section = sections()[step]
    update = request.config.getoption("--update-goldens")
    new = section
    printed = ""
    for kind, shown in _BLOCK.findall(section):
        if kind == "console":
            made = "".join(command(line) for line in shown.splitlines() if line[:2] == "$ ")
            if update and "\n...\n" not in shown:
                new = new.replace(f"```console\n{shown}```", f"```console\n{made}```")
            else:
                compare(made, shown)
        elif kind == "python" and not shown.startswith("# "):
            printed = python(shown)
        elif kind == "text":
            if update:
                new = new.replace(f"```text\n{shown}```", f"```text\n{printed}```")
            else:
                assert shown == printed
    if update:
        text = TUTORIAL.read_text(encoding="utf-8").replace(section, new)
        TUTORIAL.write_text(text, encoding="utf-8", newline="\n")
        svg = copy / "layout.svg"
        if svg.exists():
            shutil.copy(svg, FOLDER)


def command(line: str) -> str:
    """A command, as it is shown, with what it prints."""
    typed, _, file = line.removeprefix("$ poe ").partition(" > ")
    result = CliRunner().invoke(app, shlex.split(typed))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    output = _HASH.sub("sha256:...", _TIME.sub("", result.output))
    output = output.replace(str(Path.cwd()), ".../docs/tutorial")
    if file:
        Path(file).write_text(result.output, encoding="utf-8", newline="\n")
        output = ""
    return f"{line}\n{output}"


def python(text: str) -> str:
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(text, "tutorial.md", "exec"), {})
    return out.getvalue()


def compare(made: str, shown: str) -> None:
    """What is shown is there in its order; a line of three dots stands for any others."""
    rest = made.splitlines()
    for number, piece in enumerate(re.split(r"^\.\.\.\n", shown, flags=re.M)):
        lines = piece.splitlines()
        places = [i for i in range(len(rest) - len(lines) + 1) if alike(rest[i:], lines)]
        assert places, f"not there:\n{piece}\nin:\n{made}"
        assert number or places[0] == 0
        rest = rest[places[0] + len(lines) :]
    assert not rest or shown.endswith("...\n"), rest


def alike(made: list[str], shown: list[str]) -> bool:
    """Figures of a run may differ a little, as processors round differently, and which particle is
    the best.
    """
    for a, b in zip(made, shown, strict=False):
        if a == b:
            continue
        if _NUMBER.sub("#", a).split() != _NUMBER.sub("#", b).split():
            return False
        pairs = zip(_NUMBER.findall(a), _NUMBER.findall(b), strict=True)
        close = all(math.isclose(float(x), float(y), rel_tol=0.2, abs_tol=0.1) for x, y in pairs)
        measured = a.startswith(("particles", "log evidence")) or _ROW.match(a)
        if not (measured and close) and a[:4] != "best" and a.split() != b.split():
            return False
    return True


def test_programs_are_the_files() -> None:
    named = re.findall(
        r"^```(?:poe|python)\n# (\S+\.(?:poe|py))\n(.*?)^```$",
        TUTORIAL.read_text(encoding="utf-8"),
        re.M | re.S,
    )
    assert {name for name, _ in named} == {
        p.name for p in FOLDER.iterdir() if p.suffix in (".poe", ".py")
    }
    for name, text in named:
        assert text == (FOLDER / name).read_text(encoding="utf-8"), name


def test_steps_are_numbered() -> None:
    assert [s.split(".")[0] for s in STEPS] == [str(i) for i in range(1, len(STEPS) + 1)]


def test_the_picture_is_the_programs(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(copy)
    drawn = CliRunner().invoke(app, ["plan", "layout.poe", "--emit=svg"]).stdout
    assert drawn == (FOLDER / "layout.svg").read_text(encoding="utf-8")
