"""Pages of errors in commands of the interactive session."""

from __future__ import annotations

from poedsl.grammar.codes import CodePage

SESSION: dict[str, CodePage] = {
    "P0901": CodePage(
        "a command of the session that cannot be done",
        """\
Lines that begin with % are commands of `poe repl`, not statements of the program; `%help` lists
them. The message says what this one takes.
""",
    ),
}
