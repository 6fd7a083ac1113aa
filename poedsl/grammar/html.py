"""Fragments of HTML for notebooks: no scripts, nothing from the network, light or dark as the page
is.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.render import render_text
from poedsl.grammar.source import Source

_CELL = "padding:.15em .7em;text-align:left;border-bottom:1px solid rgba(128,128,128,.4)"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of escaped texts; it has the colours of the page."""

    def line(cells: Sequence[str], tag: str) -> str:
        return "".join(f'<{tag} style="{_CELL}">{html.escape(c)}</{tag}>' for c in cells)

    body = "".join(f"<tr>{line(row, 'td')}</tr>" for row in rows)
    return (
        '<table style="border-collapse:collapse;margin:.5em 0">'
        f"<thead><tr>{line(head, 'th')}</tr></thead><tbody>{body}</tbody></table>"
    )


def diagnostics_html(diagnostics: tuple[Diagnostic, ...], source: Source) -> str:
    """Diagnostics as `render_text` shows them, escaped."""
    text = html.escape(render_text(diagnostics, source))
    return f'<pre style="border-left:4px solid #d95f02;padding-left:.8em">{text}</pre>'
