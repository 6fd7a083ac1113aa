"""Small helpers for messages about syntax: insertions, and long words shortened."""

from __future__ import annotations

from poedsl.grammar.diagnostics import Edit
from poedsl.grammar.source import Span


def insert(at: int, text: str) -> Edit:
    return Edit(Span(at, at), text)


def clip(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"
