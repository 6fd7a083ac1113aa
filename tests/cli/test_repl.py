"""``poe repl``: in a pipe, and on a terminal with its line editor."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from poedsl.cli import repl
from poedsl.cli.entry import entry
from poedsl.interface.session import Session

Piped = Callable[..., tuple[str, str]]


@pytest.fixture
def piped(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Piped:
    """What comes out and what is complained of when lines come from a pipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def run(lines: str, *arguments: str, code: int = 0) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["poe", "repl", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
        with pytest.raises(SystemExit) as ended:
            entry()
        assert (ended.value.code or 0) == code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return out, err

    return run


def test_lines_of_a_pipe_are_answered_without_prompts(piped: Piped) -> None:
    out, err = piped("let c = 2\nc + 1\nx ~ Normal(\nc,\n1)\n%list\n%run particles=100 steps=3")
    assert out.startswith(
        "3\nvariable x : Real\nlet c = 2\nx ~ Normal(\nc,\n1)\nverdict       reliable"
    )
    assert err == ""


def test_blocks_end_with_a_blank_line_or_the_text(piped: Piped) -> None:
    block = "for m in [1, 2]:\n    x ~ Normal(m, 1)\n    x ~ Normal(0, m)\n"
    assert piped(f"{block}\n%list\n")[0] == f"variable x : Real\n{block}"
    assert piped(block)[0] == "variable x : Real\n"


def test_errors_are_those_of_check_and_end_nothing(piped: Piped) -> None:
    out, err = piped("x ~ Nrmal(0, 1)\n1 + 1\n%plam\nlet d = [1,\n")
    assert out == "2\n"
    assert "error[P0202]" in err
    assert " --> <repl:1>:1:5" in err
    assert "`%plan`" in err
    assert err.count("error[P") == 3


def test_a_file_to_begin_with(piped: Piped, tmp_path: Path) -> None:
    (tmp_path / "a.poe").write_text("input s : Real = 1\nx ~ Normal(s, 1)\n")
    out, _ = piped("s\n", "a.poe")
    assert out.splitlines()[0] == "variable x : Real"
    assert out.splitlines()[-1] == "Real"
    (tmp_path / "b.poe").write_text("x ~ Nrmal(0, 1)\n")
    out, err = piped("1\n", "b.poe")
    assert (out, "b.poe:1:5" in err) == ("1\n", True)
    assert "nowhere.poe is not a file" in piped("", "nowhere.poe", code=2)[1]


def test_bytes_that_are_no_text_are_an_error_of_the_line(
    piped: Piped, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x ~ \xff\n1 + 1\n")))
    repl.converse(None, allow_code=False)
    out, err = capsys.readouterr()
    assert out == "2\n"
    assert "error[P0108]" in err


def test_an_error_of_ours_leaves_the_session(piped: Piped, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.delenv("POE_TRACEBACK", raising=False)
    monkeypatch.setattr(Session, "plan", fail)
    out, err = piped("x ~ Normal(0, 1)\n%plan\nx\n")
    assert out == "variable x : Real\nReal\n"
    assert "internal error: RuntimeError: no luck" in err


def test_plain_lines_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without prompt_toolkit: prompts, and an interrupt that drops what is being written."""
    lines: list[str | BaseException] = ["let c = [1,", KeyboardInterrupt(), "c", "(1", "+ 1)"]
    prompts: list[str] = []

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def read(prompt: str) -> str:
        prompts.append(prompt)
        line = lines.pop(0) if lines else EOFError()
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("builtins.input", read)
    monkeypatch.setattr(repl, "find_spec", lambda _: None)
    repl.converse(None, allow_code=True)
    out, err = capsys.readouterr()
    assert out.startswith("poedsl ")
    assert out.endswith("\n2\n")
    assert "error[P0201]" in err and "`c`" in err
    assert prompts == ["poe> ", "...  ", "poe> ", "poe> ", "...  ", "poe> "]


# The line editor.


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., list[str]]:
    """The texts that the editor returns for keys."""
    pytest.importorskip("prompt_toolkit")
    from prompt_toolkit.input import create_pipe_input
    from prompt_toolkit.output import DummyOutput

    from poedsl.cli.prompt import Prompt

    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def read(keys: str, session: Session | None = None) -> list[str]:
        out: list[str] = []
        with create_pipe_input() as pipe:
            prompt = Prompt(session or Session(), input=pipe, output=DummyOutput())
            pipe.send_text(keys)
            while True:
                try:
                    out.append(prompt.read())
                except KeyboardInterrupt:
                    out.append("^C")
                except EOFError:
                    return out

    return read


def test_enter_ends_what_is_complete(typed: Callable[..., list[str]]) -> None:
    assert typed("x ~ Normal(0, 1)\rlet c = [1,\r2]\r\x04") == [
        "x ~ Normal(0, 1)",
        "let c = [1,\n2]",
    ]


def test_blocks_are_indented_and_end_with_a_blank_line(typed: Callable[..., list[str]]) -> None:
    (text,) = typed("for m in [1, 2]:\rx ~ Normal(m, 1)\rx ~ Normal(0, m)\r\r\x04")
    assert text.rstrip() == "for m in [1, 2]:\n    x ~ Normal(m, 1)\n    x ~ Normal(0, m)"


def test_ctrl_c_drops_a_text_and_ctrl_d_leaves(typed: Callable[..., list[str]]) -> None:
    assert typed("let c = [1,\x03c\r\x04") == ["^C", "c"]


def test_history_is_kept(typed: Callable[..., list[str]], tmp_path: Path) -> None:
    typed("let c = 1\r\x04")
    assert "+let c = 1" in (tmp_path / "poedsl" / "history").read_text()
    assert typed("\x1b[A\r\x04") == ["let c = 1"]


def test_history_needs_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("prompt_toolkit")
    from prompt_toolkit.history import InMemoryHistory

    from poedsl.cli.prompt import history

    (tmp_path / "poedsl").write_text("in the way")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert isinstance(history(), InMemoryHistory)


@pytest.mark.parametrize(
    ("text", "some"),
    [
        ("%ex", {"experts", "explain"}),
        ("%run par", {"particles"}),
        ("%explain P040", {"P0404"}),
        ("%experts Norm", {"Normal"}),
        ("%set ce", {"cell"}),
        ("x : Im", {"Image"}),
        ("x ~ Multi", {"MultivariateNormal"}),
        ("x ~ mix", {"mixture"}),
        ("inp", {"input"}),
        ("sample x by anneal(par", {"particles"}),
        ("sample x by anneal(kernel = ma", {"mala"}),
        ("let d = li", {"linspace"}),
    ],
)
def test_completions(text: str, some: set[str]) -> None:
    pytest.importorskip("prompt_toolkit")
    from prompt_toolkit.completion import CompleteEvent
    from prompt_toolkit.document import Document

    from poedsl.cli.prompt import WordCompleter

    session = Session()
    session.feed("input cell : Real")
    found = {
        c.text for c in WordCompleter(session).get_completions(Document(text), CompleteEvent())
    }
    assert some <= found
    assert len(found) < 12


def test_colours_cover_every_character() -> None:
    pytest.importorskip("prompt_toolkit")
    from poedsl.cli.prompt import fragments

    line = '  let c = f("a", 1.5) # Normal'
    assert "".join(text for _, text, *_ in fragments(line)) == line
    styles = {text: style for style, text, *_ in fragments("let x = Normal(1, Real) # c")}
    assert styles["let"] == "class:pygments.keyword"
    assert styles["Normal"] == "class:pygments.name.function"
    assert styles["Real"] == "class:pygments.name.class"
    assert styles[" # c"] == "class:pygments.comment"
