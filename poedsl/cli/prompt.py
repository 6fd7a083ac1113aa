"""The line editor of `poe repl`: history, completion, colours, and Enter where a statement ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import completion_is_selected, has_completions
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import Lexer

from poedsl.cli.shared import CONTINUATION, PROMPT
from poedsl.compiler.codes import CODES
from poedsl.compiler.plan.options import OPTIONS
from poedsl.editor.completion import completions
from poedsl.editor.document import Document as Program
from poedsl.editor.words import EXPERT_WORDS
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import INDENT, words
from poedsl.grammar.types import RANKS
from poedsl.interface.commands import COMMANDS, RUN_ARGUMENTS
from poedsl.interface.session import Session


class Prompt:
    """Reads the statements of a session from a terminal."""

    def __init__(self, session: Session, **terminal: Any) -> None:
        self.editor: PromptSession[str] = PromptSession(
            PROMPT,
            multiline=True,
            prompt_continuation=CONTINUATION,
            history=history(),
            completer=WordCompleter(session),
            complete_while_typing=False,
            lexer=Colours(),
            key_bindings=keys(session),
            **terminal,
        )

    def read(self) -> str:
        """The next text that is complete.

        Raises:
            KeyboardInterrupt: it was dropped.
            EOFError: there is none.
        """
        return self.editor.prompt()


def history() -> History:
    """The lines of former sessions, where they can be kept."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    path = Path(state) / "poedsl" / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def keys(session: Session) -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter", filter=~completion_is_selected)
    def _enter(event: KeyPressEvent) -> None:
        """Ends a statement; within one it begins a line, indented as the one before."""
        buffer = event.current_buffer
        document = buffer.document
        if not document.on_last_line or session.is_incomplete(document.text):
            buffer.newline()
            if document.current_line_before_cursor.rstrip().endswith(":"):
                buffer.insert_text(INDENT)
        else:
            buffer.validate_and_handle()

    @bindings.add("enter", filter=has_completions & completion_is_selected)
    def _choose(event: KeyPressEvent) -> None:
        event.current_buffer.complete_state = None

    return bindings


class WordCompleter(Completer):
    """The words that can stand at the cursor: of a command, or of the program so far."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def get_completions(self, document: Document, _: CompleteEvent) -> Iterable[Completion]:
        word = document.get_word_before_cursor()
        word = word if word.isidentifier() else ""
        for candidate in sorted(self.candidates(document.text_before_cursor, word)):
            if candidate.startswith(word):
                yield Completion(candidate, start_position=-len(word))

    def candidates(self, text: str, word: str) -> set[str]:
        """The words that can stand at the end of a text, in place of the word that it ends with."""
        command, blank, _ = text.lstrip().partition(" ")
        if command.startswith("%"):
            return set(self._of_command(command) if blank else COMMANDS)
        names = self._of_program(text)
        if text.strip() == word:  # an expression may begin here too
            names |= self._of_program(f"let value = {word}")
        return names

    def _of_command(self, command: str) -> Iterable[str]:
        arguments: dict[str, Callable[[], Iterable[str]]] = {
            "%run": lambda: (*OPTIONS, *RUN_ARGUMENTS),
            "%show": lambda: (v.name for v in self.session.variables),
            "%set": lambda: (i.name for i in self.session.inputs),
            "%experts": lambda: EXPERT_WORDS,
            "%explain": lambda: CODES,
        }
        return arguments.get(command, tuple)()

    def _of_program(self, text: str) -> set[str]:
        program = Program(f"{self.session.text}{text}", base=self.session.draft.base)
        return {c.word for c in completions(program, len(program.text))}


class Colours(Lexer):
    """Colours by the words of the language."""

    def lex_document(self, document: Document) -> Callable[[int], StyleAndTextTuples]:
        return lambda number: fragments(document.lines[number])


_STYLES = {
    "keyword": "keyword",
    "number": "literal.number",
    "text": "literal.string",
    **dict.fromkeys(("unclosed", "quoted", "odd_name", "odd_number"), "error"),
}


def fragments(line: str) -> StyleAndTextTuples:
    """The line in pieces, each with its style."""
    out: StyleAndTextTuples = []
    at = 0
    for word in words(line, Span(0, len(line))):
        if at < word.span.start:
            out.append(("", line[at : word.span.start]))
        style = _STYLES.get(word.kind, "")
        if word.kind == "name":
            style = "name.class" if word.text in RANKS else style
            style = "name.function" if word.text in EXPERT_WORDS else style
        out.append((f"class:pygments.{style}" if style else "", word.text))
        at = word.span.end
    if at < len(line):
        out.append(("class:pygments.comment", line[at:]))
    return out
