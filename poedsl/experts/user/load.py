"""Load the Python code that a program names."""

from __future__ import annotations

import hashlib
import importlib
import sys
import types
from dataclasses import replace
from pathlib import Path

from poedsl.catalog.code_references import CodeReference, DefinitionError, shown
from poedsl.catalog.definitions import OPTIONS
from poedsl.catalog.signatures import Signature
from poedsl.experts.user import registry
from poedsl.experts.user.decorators import decorate
from poedsl.experts.user.errors import definition_error, failures
from poedsl.experts.user.inspection import calls_pyro_sample
from poedsl.experts.user.registry import UserCode


def load_user(signature: Signature, place: str, base: Path, allowed: bool) -> UserCode:
    """The code of a signature: an object decorated in this process, else its file is run.

    Args:
        place: ``file.py:name`` or ``package.module:name``. base: the folder that files are
            relative to. allowed: whether code that a program names may be run.

    Raises:
        PoeError: running code is not allowed (P0707), the code does not exist (P0206) or differs
            from what the program was compiled with (P0207), or it fails (P0708).
    """
    reference = CodeReference.parse(place)
    try:
        if reference is None:
            raise DefinitionError("P0206", f'"{place}" is no place of Python code')
        code = registry.REGISTRY.at(reference, base)
        if code is None or code.stamp is not None:
            code = _run_file(code, reference, base, allowed)
    except DefinitionError as error:
        raise definition_error(error) from None
    if not _compatible(code.signature, signature):
        message = f"{code} is not what the program was compiled with"
        now = replace(code.signature, name=signature.name)
        changed = DefinitionError("P0207", message, f"then: {signature}", f"now: {now}")
        raise definition_error(changed)
    return replace(code, signature=signature)


def _run_file(
    registered: UserCode | None, reference: CodeReference, base: Path, allowed: bool
) -> UserCode:
    """The object of a reference; its file is run unless it was run since its last change."""
    file = reference.file(base)
    if not allowed:
        raise DefinitionError(
            "P0707",
            f"this would run Python code: `{reference.name}` in {file}",
            "allow it with `--allow-code`, or in Python with `plan.run(allow_code=True)`",
        )
    with failures(f"running {shown(file)}", str(file)):
        stat = file.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if registered is None or registered.stamp != stamp:
            with registry.REGISTRY.running(stamp):
                target = getattr(_run(reference, file), reference.name, None)
                undecorated = (str(file), reference.name) not in registry.REGISTRY.placed
                if undecorated and calls_pyro_sample(target):
                    decorate("model", target, {})
            if error := registry.REGISTRY.invalid.get((str(file), reference.name)):
                raise error
            registered = registry.REGISTRY.placed.get((str(file), reference.name))
    if registered is None or registered.stamp != stamp:
        decorators = ", ".join(f"`@poedsl.{kind}`" for kind in OPTIONS)
        message = f"`{reference.name}` in {shown(file)} is not decorated"
        raise DefinitionError("P0207", message, f"what a program can use has one of {decorators}")
    return registered


def _run(reference: CodeReference, file: Path) -> types.ModuleType:
    """Import a module, or run a file as a module with a name of its own."""
    if not reference.is_file:
        imported = sys.modules.get(reference.location)
        if imported is None:
            return importlib.import_module(reference.location)
        return importlib.reload(imported)
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    name = f"_poedsl_{file.stem}_{digest}"
    module = types.ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module
    exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    return module


def _compatible(a: Signature, b: Signature) -> bool:
    """Whether a program can call one in place of the other."""
    parts = ("family", "parameters", "domain", "capabilities", "returns")
    return all(getattr(a, part) == getattr(b, part) for part in parts)
