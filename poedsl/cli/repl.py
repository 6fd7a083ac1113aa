"""`poe repl`: a session on a terminal, or fed by a pipe."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec

from poedsl.cli.shared import (
    CONTINUATION,
    PROMPT,
    DiagnosticForm,
    echo,
    last_resort,
    show,
    usage,
)
from poedsl.interface.replies import Diagnostics, Incomplete, Reply
from poedsl.interface.session import Session

LEAVING = frozenset({"exit", "quit", "%exit", "%quit"})


def converse(file: str | None, allow_code: bool, profile: str = "default") -> None:
    """Read statements and commands to the end of standard input."""
    # Small tensors are slower on several threads by far; torch reads this when it is loaded.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if sys.stdin is None:
        usage("standard input is closed")
    terminal = sys.stdin.isatty()
    if not terminal and isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    session = Session(allow_code=allow_code, progress=True, profile=profile)
    if terminal:
        echo(banner())
    if file is not None:
        answer(session, f"%load {file}")
    if terminal and find_spec("prompt_toolkit") is not None:
        from poedsl.cli.prompt import Prompt

        loop(session, Prompt(session).read)
    else:
        loop(session, lambda: read_lines(session, input if terminal else piped))


def banner() -> str:
    from poedsl import __version__

    return (
        f"poedsl {__version__}: statements make a program, %plan shows its plan, %run runs it\n"
        "%help lists the commands, an expression shows its value, Ctrl-D leaves"
    )


def loop(session: Session, read: Callable[[], str]) -> None:
    """Answer one text after the other; on a terminal an interrupt drops the one being written."""
    while True:
        try:
            text = read()
        except KeyboardInterrupt:
            if not sys.stdin.isatty():
                raise
            echo("")
            continue
        except EOFError:
            return
        if text.strip() in LEAVING:
            return
        answer(session, text)


def read_lines(session: Session, read: Callable[[str], str]) -> str:
    """The lines of one statement, or of as much of it as there is.

    Raises:
        EOFError: there is none.
    """
    text = read(PROMPT)
    while session.is_incomplete(text):
        try:
            text += "\n" + read(CONTINUATION)
        except EOFError:
            break
    return text


def piped(_: str) -> str:
    """The next line of standard input, without a prompt."""
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.rstrip("\n")


def answer(session: Session, text: str) -> None:
    """Feed a text and show the replies; the session outlives every error."""
    try:
        response = session.feed(text, last=True)
    except KeyboardInterrupt:
        echo("")
        return
    except Exception as error:
        last_resort(error)
        return
    match response:
        case Reply(text=reply, warnings=warnings):
            if reply:
                echo(reply)
            if warnings is not None:
                show(warnings.items, warnings.source, DiagnosticForm.text)
        case Diagnostics(items=items, source=source):
            show(items, source, DiagnosticForm.text)
        case Incomplete():
            pass
