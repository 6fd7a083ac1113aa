"""Programs for tests of an editor, with the cursor marked by ``|``."""

from __future__ import annotations

from poedsl.editor.document import Document
from poedsl.grammar.source import Span


def marked(text: str) -> tuple[Document, int]:
    """The program without the mark, and the mark's offset."""
    before, mark, after = text.partition("|")
    assert mark, "no cursor in the text"
    return Document(before + after), len(before)


def at(document: Document, span: Span) -> str:
    return document.text[span.start : span.end]
