"""Programs to start from, and ways to spoil them; all drawn from one generator of numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.compile import compile_source
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.plan.options import OPTIONS
from poedsl.grammar.source import Source
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
DENSITIES = sorted(n for n, s in SIGNATURES.items() if s.family in ("density", "tokens"))
OPERATORS = [*"+-*/^<>", "<=", ">=", "==", "!=", "and", "or"]
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
#: Programs of a page.
EXAMPLE = re.compile(r"^```poe[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
#: Programs that run in little time, with functions that few others have.
SMALL = (
    "input y : Real[_] = [0.3, 1.1, 2.4, -1]\nm ~ Normal(0, 5)\ns ~ HalfNormal(1)\n"
    "y ~ Normal(m, s)\nlet d = diff(y)\nreport m + sum(d), top = quantile(y, 0.9)\n",
    "x : Real[4]\nx ~ Normal(0, 1) * exp(-median(x)^2 - abs(prod(x)))\n"
    "x ~ where(x[0] < 1 or any(x > 0.5))\nreport cumprod(x), diff(x), std(x)\n",
    "x : Real[2, 2]\nx ~ Normal(0, 1) * exp(det(x + 2 * identity(2)))\nreport inverse(x).T\n",
    "a ~ TruncatedNormal(0, 1, 0, 2)\nb ~ TruncatedGamma(2, 1, high = 3) * exp(erfinv(a / 3))\n",
    "a ~ TruncatedCauchy(0, 1, low = -1)\nb ~ TruncatedStudentT(3, a, 1, -2, 2)\n",
    "input n : Int = 0\nlet y = zeros(n)\nx ~ Normal(0, 1)\n"
    "for i in range(n):\n    x ~ Normal(i, 1)\nx ~ exp(-sum((x - v)^2 for v in y))\n",
    "input g : Int[_] = [0, 1, 1, 2]\ninput y : Real[_] = [1, 2, 3, 4]\nz : Real[3]\n"
    "z ~ Normal(0, 1)\ny ~ Normal(z[g], 1)\nreport mod(z[0], 2), z[-1]\n",
    "p : Real[3]\np ~ Dirichlet([1, 2, 3])\ninput k : Int[3] = [2, 0, 1]\nk ~ Multinomial(3, p)\n",
    "tau ~ HalfNormal(5)\nmu ~ Normal(0, 5)\ntheta : Real[3]\ntheta ~ Normal(mu, tau)\n"
    "theta ~ Normal([28, 8, -3], [15, 10, 16])\n",
    "x : Real[3]\nx ~ Normal(0, 1) * where(not (x[0] > x[1]) and all(x < 3))\n"
    "x[1:] ~ mixture(0.3: Normal(-1, 1), 0.7: Normal(1, 0.5))\n",
    "L : Real[2, 2]\nL ~ LKJCholesky(1)\nx : Real[2]\nx ~ MultivariateNormal(0, scale_tril = L)\n",
    "let v = scan(v = 1: 0.2 + 0.5 * v + e for e in [1, 2, 3])\nx ~ Normal(v[2], mean(v))\n"
    "sample x by anneal(path = temper(ess = 0.5), kernel = hmc(steps = 2), islands = 2)\n",
    "x : Tokens[4]\nx ~ Markov([0.5, 0.5], [[0.5, 0.5], [0.1, 0.9]])\n"
    "x ~ where(x[0] < 1 or x[3] == 1)\n",
)
#: The longest program that is tried.
MOST = 30_000


@cache
def corpus() -> tuple[str, ...]:
    """The programs of the project, and those of its tests."""
    folders = ("programs", "docs", "benchmarks", "tests/golden")
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.poe"))]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    texts = [part for text in texts for part in text.split("# -----\n")]
    pages = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))]
    examples = [block for page in pages for block in EXAMPLE.findall(page)]
    return (*PROGRAMS.values(), *texts, *examples, *(t for t in SMALL for _ in range(4)))


@cache
def _light() -> tuple[str, ...]:
    """The programs that compile, without networks, which are not here or slow, and short enough to
    be quick; and those of the small networks that come with the package.
    """
    networks = "|".join(sorted(name for name in SIGNATURES if name not in DENSITIES))
    heavy, own = re.compile(rf"\b(?:use|{networks})\b"), re.compile(r"\b(?:digits|checkerboard)\b")
    texts = [t for t in corpus() if len(t) < 3000 and (own.search(t) or not heavy.search(t))]
    return tuple(text for text in texts if compile_source(Source(text)).ok)


def program(random: Random, *, near: bool = False) -> str:
    """A program, mostly spoilt.

    Args:
        near: mostly one in which words were replaced by others of their kind, of which a third
            compile.
    """
    choice = random.random()
    if near and choice < 0.8:
        text = random.choice(_light())
        for _ in range(random.choice((1, 1, 2, 3))):
            text = random.choice((_alike, _alike, _indexed))(random, text)
        return text[:MOST]
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


def _alike(random: Random, text: str) -> str:
    """A word replaced by one of its kind, so that many of the programs compile."""
    words = PIECE.findall(text) or [""]
    names = sorted({w for w in words if w.isidentifier()} - {*CALLS, *KEYWORDS})
    values = (
        "0",
        "1",
        "2",
        "3",
        "-1",
        "-2",
        "0.5",
        "1e-8",
        "50",
        "[]",
        "[1, 2]",
        "[[1, 2]]",
        "true",
    )
    kinds = (DENSITIES, sorted(FUNCTIONS), [*KEYWORDS], sorted(RANKS), names, OPERATORS)
    places = [i for i, w in enumerate(words) if w[0:1].isdigit() or any(w in k for k in kinds)]
    if not places:
        return text
    i = random.choice(places)
    numeric = words[i][0].isdigit() or (words[i] in names and random.random() < 0.1)
    words[i] = random.choice(values if numeric else next(k for k in kinds if words[i] in k))
    return "".join(words)


def _indexed(random: Random, text: str) -> str:
    """An index after a name, a size or an end that is changed, an argument of a call exchanged."""
    index = random.choice(("[0]", "[-1]", "[1:]", "[:-1]", "[5]", "[2:1]", "[:, 0]", "[[0, 1]]"))
    found = list(re.finditer(r"(?<=[\[(, ])-?\d+(?=[\]), :])", text))
    if found and random.random() < 0.5:
        match = random.choice(found)
        new = random.choice(("-1", "0", "-3", "1", "2", "7", "_", "n", "10^9", "2.5"))
        return text[: match.start()] + new + text[match.end() :]
    words = PIECE.findall(text) or [""]
    i = random.randrange(len(words))
    if words[i].isidentifier() and words[i] not in KEYWORDS:
        words[i] = random.choice(
            (words[i] + index, f"{random.choice(sorted(FUNCTIONS))}({words[i]})")
        )
    return "".join(words)


def _bytes(random: Random, text: str) -> str:
    """Bits of the UTF-8 flipped, bytes left out or doubled; read as far as it is UTF-8."""
    content = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(random.choice((1, 1, 2, 5))):
        i = random.randrange(len(content) + 1)
        match random.randrange(3):
            case 0 if i < len(content):
                content[i] ^= 1 << random.randrange(8)
            case 1:
                del content[i : i + random.choice((1, 1, 2, 20))]
            case _:
                content[i:i] = content[i : i + random.choice((1, 3, 30))]
    return content.decode("utf-8", "replace")


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
    *(_alike,) * 6,
    *(_indexed,) * 3,
    _bytes,
    *(_lines,) * 2,
    _large,
)
