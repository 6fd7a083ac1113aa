"""What the shell offers after Tab: programs, inputs and options of the program, experts, codes.

Nothing here may fail or print: the shell would show it in the middle of a command.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import typer


def complete_programs(incomplete: str) -> list[str]:
    return _files(incomplete, ".poe")


def complete_plans(incomplete: str) -> list[str]:
    return _files(incomplete, ".poe", ".json")


def _files(incomplete: str, *endings: str) -> list[str]:
    """Folders and files that go on as a text does; in place of a single folder what is in it, since
    the shell writes a blank after the only candidate.
    """
    names = sorted(_beginning_with(incomplete, endings))
    while len(names) == 1 and names[0].endswith("/"):
        inner = sorted(_beginning_with(names[0], endings))
        if not inner:
            break
        names = inner
    return names


def _beginning_with(text: str, endings: tuple[str, ...]) -> Iterator[str]:
    folder, slash, prefix = text.rpartition("/")
    try:
        entries = list(Path(f"{folder}{slash}" or ".").expanduser().iterdir())
    except OSError:
        return
    for entry in entries:
        hidden = entry.name.startswith(".") and not prefix
        if entry.name.startswith(prefix) and not hidden:
            if entry.is_dir():
                yield f"{folder}{slash}{entry.name}/"
            elif entry.name.endswith(endings):
                yield f"{folder}{slash}{entry.name}"


def _program(ctx: typer.Context) -> Path | None:
    """The program on the command line; where that is incomplete it is not parsed, and a word of it
    tells.
    """
    words = [str(ctx.params.get("file") or "")]
    for variable in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        words += os.environ.get(variable, "").split()
    return next((Path(w).expanduser() for w in words if w.endswith(".poe")), None)


def complete_inputs(ctx: typer.Context, incomplete: str) -> list[str]:
    """``NAME=`` and ``NAME=@`` for the inputs of the program that is named before."""
    from poedsl.compiler.compile import compile_source
    from poedsl.grammar.source import Source

    path = _program(ctx)
    if path is None:
        return []
    try:
        source = Source(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError):
        return []
    checked = compile_source(source, base=path.parent).checked
    names = [i.name for i in checked.inputs] if checked is not None else []
    starts = (name for name in names if name.startswith(incomplete))
    return [f"{name}={sign}" for name in starts for sign in ("", "@")]


def complete_options(incomplete: str) -> list[str]:
    """``NAME=VALUE`` for the options of ``sample`` whose values have names, else their names."""
    from poedsl.compiler.plan.options import OPTIONS

    candidates: list[str] = []
    for option in OPTIONS.values():
        values = [f.name for f in option.forms if f.available]
        values += ["true", "false"] if option.kind == "truth" else []
        candidates += [f"{option.name}={value}" for value in values] or [f"{option.name}="]
    return [f for f in candidates if f.startswith(incomplete)]


def complete_profiles(ctx: typer.Context, incomplete: str) -> list[str]:
    """The profiles of ``poe.toml`` beside or above the program, and those that are always there."""
    import tomllib

    from poedsl.catalog.profiles import BUILT_IN

    folder = (_program(ctx) or Path("program.poe")).resolve().parent
    names = set(BUILT_IN)
    files = (f / "poe.toml" for f in (folder, *folder.parents))
    file = next((f for f in files if f.is_file()), None)
    try:
        text = "" if file is None else file.read_text(encoding="utf-8")
        tables = tomllib.loads(text).get("profile", {})
        names |= set(tables) if isinstance(tables, dict) else set()
    except (OSError, ValueError):
        pass
    return sorted(n for n in names if n.startswith(incomplete))


def complete_experts(incomplete: str) -> list[str]:
    from poedsl.editor.words import CONSTRUCT_WORDS, EXPERT_WORDS, FUNCTION_WORDS

    names = (*EXPERT_WORDS, *CONSTRUCT_WORDS, *FUNCTION_WORDS)
    return sorted(n for n in names if n.startswith(incomplete))


def complete_codes(incomplete: str) -> list[tuple[str, str]]:
    from poedsl.compiler.codes import CODES

    starts = (code for code in sorted(CODES) if code.startswith(incomplete.upper()))
    return [(code, CODES[code].title) for code in starts]
