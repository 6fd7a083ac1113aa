"""The text of the symbols of a sequence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from jaxtyping import Int
from torch import Tensor

from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError


@dataclass(frozen=True)
class Vocabulary:
    """The bytes that each symbol adds to a text.

    Attributes:
        pieces: the bytes of each symbol in UTF-8; a symbol may be a part of a character.
        end: the symbol that ends a text; None where there is none.
    """

    pieces: tuple[bytes, ...]
    end: int | None = None
    _hash: int = field(init=False, repr=False, compare=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.pieces, self.end)))

    def __hash__(self) -> int:
        return self._hash

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def whole(self) -> bool:
        """Whether every symbol consists of complete characters."""
        return all(p.decode("utf-8", "ignore").encode() == p for p in self.pieces)

    def text(self, symbols: Iterable[int]) -> str:
        """The text up to the end symbol; invalid bytes become U+FFFD."""
        out = []
        for symbol in symbols:
            if symbol == self.end:
                break
            out.append(self.pieces[symbol])
        return b"".join(out).decode("utf-8", "replace")

    def texts(self, symbols: Int[Tensor, "L n"]) -> list[str]:
        """The text of each sequence."""
        return list(map(self.text, symbols.tolist()))


def vocabulary_of(vocabularies: Mapping[str, Vocabulary], name: str) -> Vocabulary:
    """The vocabulary of a variable.

    Raises:
        PoeError: the variable has no text.
    """
    if name not in vocabularies:
        listed = ", ".join(f"`{n}`" for n in vocabularies) or "none"
        message = f"`{name}` is no variable with a text"
        raise PoeError((Diagnostic("P0605", message, notes=(f"those with one: {listed}",)),))
    return vocabularies[name]
