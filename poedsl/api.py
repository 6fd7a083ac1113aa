"""The Python names: compile a program, load a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from poedsl import argument_checks
from poedsl.catalog.signatures import Signature
from poedsl.compiler.compile import compile_source
from poedsl.compiler.plan.read_json import from_json
from poedsl.compiler.verification.verify import verify
from poedsl.experts.user import registry
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.program_files import is_path, read_text
from poedsl.grammar.source import Source
from poedsl.plan import Plan, plan_of


def compile(program: str | Path, *, strict: bool = False, allow_code: bool = False) -> Plan:
    """Compile a program from its text or its file, without running code that the program names.

    Programs can use the experts, rewards and sources that are decorated in this process by name.

    Args:
        program: a path, or a text: a string without line breaks that ends in ``.poe`` is a path.
        strict: whether inputs must be declared.
        allow_code: whether runs of the plan may run Python code that the program names.

    Raises:
        PoeError: the program has errors (with all its diagnostics), or the file cannot be read
            (P0604).
        TypeError, ValueError: ``program`` is neither a text nor a path, or the file is not UTF-8.
    """
    source, base = _source(program)
    compiled = compile_source(source, strict=strict, base=base, registered=registered())
    return replace(plan_of(compiled, base), allow_code=allow_code)


def registered() -> dict[str, Signature]:
    """The signatures of the objects that are decorated in this process, by name."""
    return registry.REGISTRY.signatures()


def load(plan: str | Path) -> Plan:
    """A plan from its JSON or from a file, without running code.

    Args:
        plan: the JSON as a text, or a path: of the JSON of a plan, to whose folder file names in it
            are relative, or of a program, which is compiled. A string is a path if it has no line
            break and ends in ``.json`` or ``.poe``.

    Raises:
        PoeError: it is no valid plan of this version, or its hash does not match (P0606); the file
            cannot be read (P0604); the program has errors.
        TypeError, ValueError: it is neither a text nor a path, or the file is not UTF-8.
    """
    if not isinstance(plan, (str, Path)):
        raise TypeError(
            f"a plan is loaded from its JSON as a text or from the path of a file, and this is "
            f"{argument_checks.describe(plan)}"
        )
    if not is_path(plan, ".json", ".poe"):
        return _from_json(str(plan))
    if Path(plan).suffix == ".poe":
        return compile(plan)
    return replace(_from_json(read_text(plan, "plan")), base=Path(plan).parent)


def _from_json(text: str) -> Plan:
    try:
        spec = from_json(text.removeprefix("\ufeff"))
    except ValueError as error:
        raise PoeError((Diagnostic("P0606", str(error)),)) from error
    from poedsl.runtime.inputs.bind import rebound

    if problem := verify(spec):
        raise PoeError((Diagnostic("P0606", f"this plan cannot be run: {problem}"),))
    return Plan(rebound(spec))


def _source(program: str | Path) -> tuple[Source, Path]:
    if not isinstance(program, (str, Path)):
        raise TypeError(
            f"a program is its text or the path of its file, and this is "
            f"{argument_checks.describe(program)}"
        )
    if is_path(program, ".poe"):
        return Source(read_text(program), str(program)), Path(program).parent
    return Source(str(program)), Path()
