"""Programs to start from, and ways to spoil them; all drawn from one generator of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.options import OPTIONS
from poedsl.grammar.tokens import KEYWORDS, PAIRS
from poedsl.grammar.types import RANKS
from tests.grammar.samples import PROGRAMS

ROOT = Path(__file__).parents[2]
PIECE = re.compile(r'"[^"\n]*"|\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?|\w+|[ \t]+|\n|#[^\n]*|.', re.DOTALL)
NAMES = ("x", "y", "z", "a", "b", "m", "prompt", "image", "part")
CALLS = (*sorted(SIGNATURES), *sorted(FUNCTIONS), "exp", "where", "mixture", "box", "frames")
WORDS = (
    *sorted(KEYWORDS),
    *PAIRS,
    *"()[],:=~+-*/^.<>!;{}\\'\"#\n\t",
    *CALLS,
    *sorted(RANKS),
    *NAMES,
)
CHARACTERS = "\x00\x07\x1b\r\f\v\u00a0\u200b\u2028\ufeff\ufffd“”‘’−×≤∧²½éσ漢字🙂\u0301\u202e１"
NUMBERS = (
    "1e999",
    "1e-999",
    "9" * 400,
    "0" * 400,
    "1e308",
    "-1",
    "00",
    "1_0",
    "1e",
    "0x1f",
    "1.2.3",
)
#: The longest program that is tried.
MOST = 30_000


@cache
def corpus() -> tuple[str, ...]:
    """The programs of the project, and those of its tests."""
    paths = [*ROOT.glob("programs/*.poe"), *ROOT.glob("tests/golden/*/*.poe")]
    texts = [path.read_text(encoding="utf-8") for path in sorted(paths)]
    return (*PROGRAMS.values(), *texts)


def program(random: Random) -> str:
    """A program, mostly spoilt."""
    choice = random.random()
    if choice < 0.1:
        text = "".join(random.choice(WORDS + tuple(CHARACTERS)) + " " for _ in range(30))
    elif choice < 0.6:
        text = random.choice(corpus())
    else:
        text = "".join(_statement(random, 0) for _ in range(random.randint(1, 8)))
    for _ in range(random.choice((0, 1, 1, 1, 2, 3, 8))):
        text = random.choice(MUTATIONS)(random, text)
    return text[:MOST]


# Programs of their own.


def _statement(random: Random, level: int) -> str:
    indent = "    " * level
    name, value = random.choice(NAMES), _expr(random, 3)
    match random.randrange(9):
        case 0:
            line = f"input {name} : {_type(random)}"
        case 1:
            line = f"input {name} : {_type(random)} = {value}"
        case 2:
            line = f"let {name} = {value}"
        case 3:
            line = f"expert {name}({random.choice(NAMES)}, b = {_expr(random, 1)}) = {value}"
        case 4:
            line = f"{name} : {_type(random)}"
        case 5 if level < 3:
            body = "".join(_statement(random, level + 1) for _ in range(random.randint(1, 3)))
            return f"{indent}for {name} in {value}:\n{body}"
        case 6:
            options = ", ".join(_option(random) for _ in range(random.randint(0, 4)))
            line = f"sample {name} by anneal({options})"
        case _:
            given = f" given {random.choice(NAMES)}" if random.random() < 0.2 else ""
            part = f"[{_expr(random, 1)}]" if random.random() < 0.2 else ""
            line = f"{name}{part} ~ {value}{given}"
    return f"{indent}{line}\n"


def _option(random: Random) -> str:
    option = OPTIONS[random.choice(sorted(OPTIONS))]
    forms = [f"{f.name}({_expr(random, 1)})" for f in option.forms]
    return f"{option.name} = {random.choice([*forms, _expr(random, 1)])}"


def _type(random: Random) -> str:
    sizes = [str(random.choice((1, 2, 3, 64, 0, "_", "a"))) for _ in range(random.randint(0, 3))]
    return random.choice(sorted(RANKS)) + (f"[{', '.join(sizes)}]" if sizes else "")


def _expr(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.2:
        return random.choice(
            (*NAMES, "1", "0.5", "2", "-1", '"text"', "true", "none", "[]", "1e400")
        )
    some = [_expr(random, depth - 1) for _ in range(random.randint(1, 3))]
    one, other = some[0], some[-1]
    name = random.choice(NAMES)
    return random.choice(
        (
            f"{random.choice(CALLS)}({', '.join(some)})",
            f"{random.choice(CALLS)}({name} = {one})",
            f"mixture({one} for {name} in {other})",
            f"mixture(0.5: {one}, {other})",
            f"exp({one})",
            f"[{', '.join(some)}]",
            f"({one})",
            f"-{one}",
            f"not {one}",
            f"{name}[{one}:{other}]",
            f"{name}[{', '.join(some)}]",
            f"{name}.{random.choice(('box', 'text', 'rgb', 'depth'))}",
            *(f"{one} {op} {other}" for op in ("*", "*", "/", "^", "+", "-", "<", "and", "==")),
        )
    )


# Ways to spoil a program.


def _words(random: Random, text: str) -> str:
    """Vocabulary deleted, doubled, swapped, replaced or put between."""
    words = PIECE.findall(text) or [""]
    i, j = random.randrange(len(words)), random.randrange(len(words))
    match random.randrange(6):
        case 0:
            del words[i]
        case 1:
            words.insert(i, words[i])
        case 2:
            words[i], words[j] = words[j], words[i]
        case 3:
            words[i] = random.choice(WORDS)
        case 4:
            words.insert(i, f" {random.choice(WORDS)} ")
        case _:
            del words[min(i, j) : max(i, j)]
    return "".join(words)


def _characters(random: Random, text: str) -> str:
    """A character deleted, doubled or put between."""
    i = random.randrange(len(text) + 1)
    new = random.choice(
        (random.choice(CHARACTERS), chr(random.randrange(1, 0xD7FF)), text[i : i + 1])
    )
    return text[:i] + new * random.choice((1, 1, 2)) + text[i + random.randrange(2) :]


def _numbers(random: Random, text: str) -> str:
    found = list(re.finditer(r"\d[\d.]*", text))
    if not found:
        return f"let a = {random.choice(NUMBERS)}\n{text}"
    match = random.choice(found)
    return text[: match.start()] + random.choice(NUMBERS) + text[match.end() :]


def _lines(random: Random, text: str) -> str:
    """Lines moved, doubled, indented, joined, or taken from another program."""
    lines = text.splitlines(keepends=True) or [""]
    i = random.randrange(len(lines))
    match random.randrange(6):
        case 0:
            lines.insert(random.randrange(len(lines)), lines.pop(i))
        case 1:
            lines.insert(i, lines[i])
        case 2:
            lines[i] = random.choice((" ", "    ", "\t")) + lines[i]
        case 3:
            lines[i] = lines[i].rstrip("\n")
        case 4:
            lines[i] = lines[i].replace("\n", "\r\n")
        case _:
            other = random.choice(corpus()).splitlines(keepends=True)
            lines.insert(i, random.choice(other))
    return "".join(lines)


def _large(random: Random, text: str) -> str:
    """Depth, length and number."""
    count = random.choice((50, 300, 2000))
    expr = _expr(random, 1)
    return text + random.choice(
        (
            f"let a = {'(' * count}{expr}{')' * count}\n",
            f"let a = {'[' * count}{expr}{']' * count}\n",
            f"x ~ {'exp(' * count}{expr}{')' * count}\n",
            f"let a = {'-' * count}{expr}\n",
            f"let a = {'not ' * count}{expr}\n",
            f"x ~ {' * '.join([expr] * count)}\n",
            f"let a = {' + '.join([expr] * count)}\n",
            f"let a = {'^'.join(['2'] * count)}\n",
            f"let a = [{', '.join([expr] * count)}]\n",
            f"let a = x{'[0]' * count}\n",
            f"let a = x{'.y' * count}\n",
            f"x ~ {'f(' * count}",
            "".join(f"let a{i} = {expr}\n" for i in range(min(count, 300))),
            "".join(f"{' ' * i}for m in [1]:\n" for i in range(min(count, 100))),
            f"# {'c' * count * 5}\n",
            f'let a = "{"t" * count * 5}"\n',
        )
    )


Mutation = Callable[[Random, str], str]
MUTATIONS: tuple[Mutation, ...] = (
    *(_words,) * 5,
    *(_characters,) * 2,
    _numbers,
    *(_lines,) * 2,
    _large,
)
