"""Pieces of a page: escaped texts, tables, and figures with numbers and captions."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from poedsl.grammar.render import clean

#: Characters of a text that is shown in one piece.
LONGEST = 4000


def esc(text: str) -> str:
    """A text on one line, as content or as the value of an attribute; characters that change the
    order of others, or that files cannot hold, are replaced.
    """
    return html.escape(clean(text[:LONGEST] + ("..." if len(text) > LONGEST else "")))


def block(text: str) -> str:
    """A text of several lines, likewise, of any length."""
    return "\n".join(html.escape(clean(line.expandtabs())) for line in text.split("\n"))


@dataclass(slots=True)
class Numbers:
    """Numbers the figures and the tables of a page."""

    figures: int = 0
    tables: int = 0

    def figure(self, content: str, caption: str, kind: str = "") -> str:
        """A figure with its caption.

        Args:
            content: markup. caption: a text. kind: a class of the style sheet.
        """
        self.figures += 1
        attribute = f' class="{kind}"' if kind else ""
        text = f"<b>Figure {self.figures}.</b> {esc(caption)}"
        return f"<figure{attribute}>{content}<figcaption>{text}</figcaption></figure>"

    def table(
        self,
        caption: str,
        head: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        kind: str = "numbers",
    ) -> str:
        """A table whose first column names the rows; it scrolls where it is wider than the page."""
        self.tables += 1
        columns = "".join(f'<th scope="col">{esc(c)}</th>' for c in head)
        body = "".join(
            f'<tr><th scope="row">{esc(first)}</th>'
            + "".join(f"<td>{esc(cell)}</td>" for cell in cells)
            + "</tr>"
            for first, *cells in rows
        )
        key = f"table-{self.tables}"
        table = f'<table class="{kind}" aria-labelledby="{key}"><thead><tr>{columns}</tr></thead>'
        return (
            f'<p class="caption" id="{key}"><b>Table {self.tables}.</b> {esc(caption)}</p>'
            + scrolling(f"{table}<tbody>{body}</tbody></table>", f"Table {self.tables}")
        )


def facts(rows: Iterable[tuple[str, str]]) -> str:
    """Names and what they stand for."""
    pairs = "".join(f"<dt>{esc(name)}</dt><dd>{esc(value)}</dd>" for name, value in rows)
    return f'<dl class="facts">{pairs}</dl>'


def section(key: str, title: str, content: str) -> str:
    """A part of the page with a heading; empty without content."""
    if not content:
        return ""
    return f'<section aria-labelledby="{key}"><h2 id="{key}">{esc(title)}</h2>{content}</section>'


def scrolling(content: str, label: str) -> str:
    """Content that scrolls within itself where it is wider than the page."""
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{esc(label)}">{content}</div>'
    )


def listed(names: Sequence[str], most: int = 3) -> str:
    """The first of some names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
