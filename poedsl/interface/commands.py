"""The commands of a session, lines that begin with ``%``."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from poedsl import argument_checks
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.typecheck.option_text import read_options
from poedsl.grammar.diagnostics import Fix
from poedsl.grammar.parsing.parser import parse
from poedsl.grammar.source import Source
from poedsl.interface.descriptions import declarations, describe_code, describe_expert, list_experts
from poedsl.interface.draft import NAME, Draft, entries
from poedsl.interface.input_values import read_value
from poedsl.interface.interactive_program import InteractiveProgram
from poedsl.interface.option_text import assignments
from poedsl.interface.replies import Diagnostics, Reply, command_error
from poedsl.interface.result_commands import draws, out, report, show
from poedsl.runtime.core.atomic_files import write_atomically

#: Arguments of `%run` beside the options of `sample`.
RUN_ARGUMENTS = ("seed", "device", "microbatch", "dtype", "profile")


def run_command(program: InteractiveProgram, line: str) -> Reply | Diagnostics:
    name, _, rest = line.partition(" ")
    command = COMMANDS.get(name)
    if command is None:
        similar = get_close_matches(name, COMMANDS, 1)
        fixes = tuple(Fix(f"there is one with a similar name: `%{n}`") for n in similar)
        note = f"the commands are {', '.join(f'%{c}' for c in COMMANDS)}"
        raise command_error("P0901", f"there is no command `%{name}`", notes=(note,), fixes=fixes)
    rest = rest.strip()
    takes = command.takes
    if (rest and not takes) or (not rest and takes and not takes.startswith("[")):
        raise command_error("P0901", f"`%{name}` takes {takes or 'nothing'}")
    return command.run(program, rest)


def _plan(program: InteractiveProgram, _: str) -> Reply:
    plan = program.plan()
    return Reply(str(plan).rstrip(), plan, _warnings(program))


def _run(program: InteractiveProgram, rest: str) -> Reply:
    options: dict[str, Any] = {**assignments(rest)}
    settings: dict[str, Any] = {n: options.pop(n) for n in RUN_ARGUMENTS if n in options}
    settings.setdefault("profile", program.profile)
    settings["profile"] = settings["profile"].strip('"')
    for name in settings.keys() & {"seed", "microbatch"}:
        settings[name] = _whole_number(name, settings[name])
    try:
        argument_checks.number_type(settings.get("dtype", "auto"))
    except ValueError as error:
        raise command_error("P0901", str(error)) from error
    read_options(options)
    try:
        result = program.plan().run(progress=program.progress, **settings, **options)
    except KeyboardInterrupt:
        return Reply("interrupted; the program is as it was")
    program.result = result
    lines = [f"{result!r}", *(f"warning: {w}" for w in result.warnings)]
    return Reply("\n".join(lines), result, _warnings(program))


def _warnings(program: InteractiveProgram) -> Diagnostics | None:
    """The errors and warnings of the whole program."""
    notable = program.draft.notable
    return Diagnostics(notable, program.draft.source) if notable else None


def _set(program: InteractiveProgram, rest: str) -> Reply:
    from poedsl.runtime.inputs.bind import bind

    if not rest:
        lines = declarations((), program.inputs)
        return Reply("\n".join([*lines, *(f"{n} = {v!s}" for n, v in program.bindings.items())]))
    name, equals, text = (part.strip() for part in rest.partition("="))
    if not equals or not name:
        raise command_error("P0901", f"`%set` takes NAME=VALUE or NAME=@FILE, and this is {rest!r}")
    types = {i.name: i.type.name for i in program.inputs}
    value = _input_value(text, types.get(name, ""))
    bind(PlanSpec(NAME, program.inputs, (), (), ()), {name: value}, Path())
    program.bindings[name] = value
    return Reply()


def _list(program: InteractiveProgram, _: str) -> Reply:
    return Reply(program.text.rstrip(), program.text)


def _undo(program: InteractiveProgram, _: str) -> Reply:
    if not program.history:
        raise command_error("P0901", "there is nothing to undo")
    now, program.draft = program.draft, program.history.pop()
    gone = [f"without `{e.line}`" for e in now.entries if e not in program.draft.entries]
    back = [f"with `{e.line}`" for e in program.draft.entries if e not in now.entries]
    return Reply("\n".join([*gone, *back]))


def _reset(program: InteractiveProgram, _: str) -> Reply:
    program.history.append(program.draft)
    program.draft = Draft()
    program.bindings = {}
    return Reply()


def _save(program: InteractiveProgram, rest: str) -> Reply:
    try:
        write_atomically(Path(rest).expanduser(), program.draft.formatted.encode())
    except OSError as error:
        raise command_error("P0704", f"{rest} cannot be written: {error.strerror}") from error
    return Reply(f"written to {rest}")


def _load(program: InteractiveProgram, rest: str) -> Reply | Diagnostics:
    path = Path(rest).expanduser()
    try:
        source = Source(path.read_text(encoding="utf-8-sig"), rest)
    except UnicodeDecodeError as error:
        raise command_error("P0604", f"{rest} is not a text in UTF-8") from error
    except OSError as error:
        raise command_error("P0604", f"{rest} cannot be read: {error.strerror}") from error
    parsed, problems = parse(source)
    if any(d.is_error for d in problems):
        return Diagnostics(problems, source)
    added = program.replace_draft(Draft(tuple(entries(source, parsed)), path.parent), source, [])
    if isinstance(added, Diagnostics):
        return added
    return replace(added, text="\n".join(declarations(program.variables, program.inputs)))


def _experts(program: InteractiveProgram, rest: str) -> Reply:
    try:
        return Reply(describe_expert(rest) if rest else list_experts())
    except LookupError as error:
        raise command_error("P0901", str(error)) from error


def _explain(program: InteractiveProgram, rest: str) -> Reply:
    try:
        return Reply(describe_code(rest))
    except LookupError as error:
        raise command_error("P0901", str(error)) from error


def _help(program: InteractiveProgram, _: str) -> Reply:
    shown = [(f"%{c.name} {c.takes}", c.summary) for c in COMMANDS.values()]
    width = max(len(usage) for usage, _ in shown)
    return Reply("\n".join(f"{usage:<{width}}  {summary}" for usage, summary in shown))


def _input_value(text: str, type_name: str) -> Any:
    """A value for an input; a text may be in quotes."""
    if text.startswith('"'):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return read_value(text, type_name)


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise command_error("P0901", f"`{name}` is a whole number, and this is {text!r}") from error


@dataclass(frozen=True, slots=True)
class Command:
    """A command; ``takes`` is what follows its name, in brackets if it is optional."""

    name: str
    takes: str
    summary: str
    run: Callable[[InteractiveProgram, str], Reply | Diagnostics]


COMMANDS: dict[str, Command] = {
    c.name: c
    for c in (
        Command("plan", "", "print the plan, with the reason for every choice", _plan),
        Command("run", "[OPTION=VALUE ...] [seed=N] [profile=P]", "run the program", _run),
        Command("report", "", "the stages of the last run", report),
        Command("show", "[VARIABLE]", "what the last run found", show),
        Command("draws", "[N]", "draws of equal weight from the last run", draws),
        Command("out", "FOLDER", "write the last result to a folder, as --out does", out),
        Command("set", "[NAME=VALUE | NAME=@FILE]", "bind an input; list inputs", _set),
        Command("list", "", "the program so far", _list),
        Command("undo", "", "take back the last change of the program", _undo),
        Command("reset", "", "begin anew", _reset),
        Command("load", "FILE", "go on with the program of a file", _load),
        Command("save", "FILE", "write the program to a file", _save),
        Command("experts", "[NAME]", "what can be multiplied", _experts),
        Command("explain", "CODE", "what an error means", _explain),
        Command("help", "", "this list", _help),
    )
}
