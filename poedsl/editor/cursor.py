"""What the text before a cursor says: its statement, the word begun, and the calls around it.

This works on words rather than on the tree, since a statement that is being typed has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from poedsl.grammar.logical_lines import CLOSERS, Line, read_line
from poedsl.grammar.source import Span
from poedsl.grammar.tokens import Word, words

_HEADER = re.compile(r"\s*for\s+([A-Za-z_]\w*)\s+in\b")
_NAMES = ("name", "keyword", "odd_name")


@dataclass(slots=True)
class Bracket:
    """An open bracket.

    Attributes:
        callee: the name before it, for a call.
        index: the number of commas in it before the cursor.
        argument: the name of the argument with the cursor, where ``name =`` is written.
        argument_names: the names of all arguments before the cursor.
        begun: whether there is a word between the comma or the ``=`` and the cursor.
    """

    callee: str = ""
    index: int = 0
    argument: str = ""
    argument_names: list[str] = field(default_factory=list)
    begun: bool = False


@dataclass(frozen=True)
class Cursor:
    """A place in a text."""

    text: str
    offset: int

    @cached_property
    def start(self) -> int:
        """Where the statement begins; the offset itself where none has begun."""
        last: Line | None = None
        line = read_line(self.text, 1 if self.text.startswith("\ufeff") else 0)
        while line is not None and line.span.start <= self.offset:
            last, line = line, read_line(self.text, line.after)
        if last is None:
            return self.offset
        behind = self.text[last.span.end : self.offset]
        return self.offset if "\n" in behind and not last.open else last.span.start

    @cached_property
    def all_words(self) -> tuple[Word, ...]:
        """The words of the statement up to the cursor, the last one as far as it is typed."""
        return tuple(words(self.text, Span(min(self.start, self.offset), self.offset)))

    @property
    def in_literal_or_comment(self) -> bool:
        """Whether the cursor is in a number, a text or a comment."""
        last = self.all_words[-1] if self.all_words else None
        if last is not None and last.kind in ("unclosed", "number", "odd_number"):
            return last.span.end == self.offset
        behind = self.text[last.span.end if last else self.line_start : self.offset]
        return "#" in behind.rpartition("\n")[2]

    @property
    def line_start(self) -> int:
        return self.text.rfind("\n", 0, self.offset) + 1

    @property
    def prefix(self) -> str:
        """The beginning of the word at the cursor."""
        last = self.all_words[-1:]
        begun = bool(last) and last[0].kind in _NAMES and last[0].span.end == self.offset
        return last[0].text if begun else ""

    @cached_property
    def before(self) -> tuple[Word, ...]:
        """The words of the statement before the one that is being typed."""
        return self.all_words[:-1] if self.prefix else self.all_words

    @property
    def first(self) -> str:
        return self.before[0].text if self.before else ""

    def last(self, count: int) -> str:
        """A word before the one that is typed, counted from 1 backwards; empty if there is none."""
        return self.before[-count].text if len(self.before) >= count else ""

    @cached_property
    def brackets(self) -> tuple[Bracket, ...]:
        """The brackets around the cursor, the outermost first."""
        stack: list[Bracket] = []
        previous: Word | None = None
        for word in self.before:
            sign = word.text if word.kind == "sign" else ""
            if sign in CLOSERS:
                called = sign == "(" and previous is not None and previous.kind == "name"
                if stack:
                    stack[-1].begun = True
                stack.append(Bracket(previous.text if called and previous else ""))
            elif sign in CLOSERS.values():
                if stack:
                    stack.pop()
            elif stack and sign == ",":
                top = stack[-1]
                top.index, top.argument, top.begun = top.index + 1, "", False
            elif stack and sign == "=" and previous is not None and previous.kind in _NAMES:
                stack[-1].argument = previous.text
                stack[-1].argument_names.append(previous.text)
                stack[-1].begun = False
            elif stack:
                stack[-1].begun = True
            previous = word
        return tuple(stack)

    @property
    def bound_here(self) -> frozenset[str]:
        """Names that the statement or the blocks around it bind: elements and parameters."""
        names = {b.text for a, b in pairwise(self.before) if a.text == "for" and b.kind == "name"}
        if self.first == "expert":
            head = [w.text for w in self.before]
            end = head.index(")") if ")" in head else len(head)
            openers = pairwise(head[2:end])
            names |= {b for a, b in openers if a in ("(", ",") and b.isidentifier()}
        return frozenset(names | self._elements)

    @property
    def _elements(self) -> set[str]:
        """The elements of the blocks around the cursor, by the indentation of the lines above."""
        *above, line = self.text[: self.start].split("\n")
        out: set[str] = set()
        width = len(line)
        for outer in reversed(above):
            indent = len(outer) - len(outer.lstrip())
            if outer.strip() and indent < width:
                width = indent
                if header := _HEADER.match(outer):
                    out.add(header[1])
        return out

    @property
    def wants_operand(self) -> bool:
        """Whether a value can begin here, rather than a sign that continues one."""
        if not self.before:
            return True
        last = self.before[-1]
        ends_value = last.kind in ("name", "number", "text") or last.text in (")", "]")
        return not (ends_value or last.text in ("true", "false", "none"))
