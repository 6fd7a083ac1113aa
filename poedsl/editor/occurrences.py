"""What a word of a program refers to: kinds of names, and their occurrences in the text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from poedsl.grammar.source import Span

#: ``unknown``: a name without a declaration that no parameter makes an input.
BindingKind = Literal[
    "input", "constant", "variable", "expert", "use", "parameter", "element", "report", "unknown"
]
#: What a word is: a name that the program binds, or a word of the language.
#: ``form``: a value of an option of ``sample``; ``setting``: an argument of a form.
Role = Literal["name", "function", "argument", "option", "form", "setting", "type"]


@dataclass(frozen=True, slots=True, eq=False)
class Binding:
    """A name of the program.

    Attributes:
        span: where it is declared; of an inferred input its first use.
        scope: the part of the text in which it is visible.
        owner: of a parameter, the expert that it belongs to.
    """

    name: str
    kind: BindingKind
    span: Span
    scope: Span
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A word at a place.

    Attributes:
        binding: of names that the program binds; None for words of the language.
        owner: of an argument the function or expert that is called, of a form the option, of a
            setting the form.
    """

    span: Span
    name: str
    role: Role
    binding: Binding | None = None
    owner: str = ""

    @property
    def declares(self) -> bool:
        return self.binding is not None and self.binding.span == self.span


@dataclass(slots=True)
class Scope:
    """The names that a part of a program binds, inside of those around it.

    Attributes:
        span: the part of the text.
        outer: None for the program.
    """

    span: Span
    outer: Scope | None = None
    names: dict[str, Binding] = field(default_factory=dict)

    def bind(self, name: str, kind: BindingKind, span: Span, owner: str = "") -> Binding:
        """The binding of a name, which is a new one unless the scope binds it already."""
        return self.names.setdefault(name, Binding(name, kind, span, self.span, owner))

    def find(self, name: str) -> Binding | None:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return None
