"""What ``use`` statements name, read from Python's syntax and models' configurations: no code runs.

A signature read here equals that which the decorator makes where the code does run.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from poedsl.catalog.code_references import CodeReference, DefinitionError, shown
from poedsl.catalog.definitions import OPTIONS
from poedsl.catalog.folder_signatures import read_folder
from poedsl.catalog.infer_signature import infer_signature
from poedsl.catalog.signatures import Signature
from poedsl.compiler.names.python_modules import Module
from poedsl.compiler.names.suggestions import similar_name
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix
from poedsl.grammar.program_files import is_folder


def read_use(
    statement: tree.Use, base: Path, *, as_pipeline: bool = False
) -> Signature | Diagnostic:
    """The signature of what a ``use`` statement names, under the statement's name.

    Args:
        base: the folder that files and folders of models are relative to.
        as_pipeline: whether it is a pipeline by its own call, as ``pipeline("FOLDER")`` names it.
    """
    text = statement.place.value
    place = CodeReference.parse(text)
    try:
        if place is None or as_pipeline or is_folder(base / text):
            signature = read_folder(text, base, as_pipeline=as_pipeline)
        else:
            signature = read_code(place, base)
    except DefinitionError as error:
        span = statement.place.span
        text = json.dumps(error.instead, ensure_ascii=False)
        fix = Fix(f"there is one with a similar name: {text}", (Edit(span, text),))
        fixes = (fix,) if error.instead else ()
        return Diagnostic(error.code, error.message, span, notes=error.notes, fixes=fixes)
    return replace(signature, name=statement.name.name)


def read_code(place: CodeReference, base: Path) -> Signature:
    """The signature of a decorated function or class, from its syntax.

    Raises:
        DefinitionError: there is none, or its parameters cannot be read.
    """
    try:
        file = place.file(base)
    except DefinitionError as error:
        raise _with_similar_file(error, place, base) from None
    module = Module.read(file)
    definition = module.definition(place.name)
    if definition is None:
        raise _no_definition(module, place)
    return infer_signature(definition, str(place))


def _no_definition(module: Module, place: CodeReference) -> DefinitionError:
    """Why a file has no definition that a program can use under a name."""
    file, decorated = shown(module.file), module.decorated()
    listed = (
        f"it has {', '.join(f'`{n}`' for n in decorated)}"
        if decorated
        else "it has none of any name"
    )
    line = next((s.lineno for s in module.definitions() if s.name == place.name), 0)
    if line:
        decorators = ", ".join(f"`@poedsl.{kind}`" for kind in OPTIONS)
        message = f"`{place.name}` at {file}:{line} is not decorated"
        return DefinitionError("P0207", message, f"what a program can use has one of {decorators}")
    suggestion = similar_name(place.name, decorated) or ""
    instead = str(replace(place, name=suggestion)) if suggestion else ""
    message = f"{file} defines no expert, reward or source `{place.name}`"
    return DefinitionError("P0206", message, listed, instead=instead)


def _with_similar_file(error: DefinitionError, place: CodeReference, base: Path) -> DefinitionError:
    """The error with a place that was probably meant: a file of nearly that name."""
    path = (
        Path(place.location)
        if place.is_file
        else Path(*place.location.split(".")).with_suffix(".py")
    )
    try:
        files = {p.name for p in (base / path.parent).glob("*.py")}
    except (OSError, ValueError):
        files = set()
    suggestion = similar_name(path.name, files)
    if suggestion is None:
        return error
    instead = f"{path.with_name(suggestion).as_posix()}:{place.name}"
    return DefinitionError(error.code, error.message, *error.notes, instead=instead)
