"""Profiles of a machine or a project, from a file.

A profile is a table of ``poe.toml``, beside the program or in a folder above it:

    [profile.small]
    dtype = "float32"
    [profile.small.models]
    flux = "models/my-flux"          # a folder relative to the file, or an id of the hub

``default`` and ``small`` (the playroom's small models) are there without a file; what a file says
of them comes on top.
"""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, get_args

from poedsl.catalog.profiles import BUILT_IN, DEFAULT, Dtype, Offload, Profile, Quantize
from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.names.suggestions import similar_name
from poedsl.grammar.diagnostics import Diagnostic, Fix
from poedsl.grammar.errors import PoeError
from poedsl.grammar.limits import read_limited
from poedsl.grammar.program_files import decoded, is_file, is_folder

#: The file that holds profiles.
FILE = "poe.toml"
_CHOICES: dict[str, tuple[str, ...]] = {
    "dtype": get_args(Dtype),
    "offload": get_args(Offload),
    "quantize": get_args(Quantize),
}


def read_profile(name: str, base: Path) -> Profile:
    """The profile of a name.

    Args:
        base: the folder of the program.

    Raises:
        PoeError: there is no such profile, or its file cannot be understood.
    """
    path = find_file(base)
    tables = {} if path is None else _tables(path)
    if name in tables:
        assert path is not None
        return _profile(name, tables[name], path)
    if name in BUILT_IN:
        return BUILT_IN[name]
    names = sorted({*BUILT_IN, *tables})
    close = similar_name(name, names)
    where = f"{path} holds" if path is not None else f"no {FILE} was found; there are"
    raise _refused(
        f"there is no profile `{name}`",
        f"{where} {', '.join(f'`{k}`' for k in names)}",
        fix=f"there is a profile with a similar name: `{close}`" if close else "",
    )


def find_file(base: Path) -> Path | None:
    """The nearest ``poe.toml``, beside the program or in a folder above it."""
    folder = base.resolve()
    return next((p / FILE for p in (folder, *folder.parents) if os.path.lexists(p / FILE)), None)


def _tables(path: Path) -> dict[str, Any]:
    try:
        content = read_limited(path, "program")
        if isinstance(content, Diagnostic):
            raise PoeError((content,))
        data = tomllib.loads(decoded(content).removeprefix("\ufeff"))
    except OSError as error:
        raise _refused(f"{path} cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise _refused(f"{path} is no TOML: {error}") from None
    tables = data.get("profile", {})
    unknown = sorted(data.keys() - {"profile"})
    if unknown or not isinstance(tables, dict):
        key = f"`{unknown[0]}`" if unknown else "`profile`"
        raise _refused(f"{path}: {key} is not understood", "it holds tables [profile.NAME]")
    return tables


def _profile(name: str, table: Any, path: Path) -> Profile:
    if not isinstance(table, dict):
        raise _refused(f"{path}: `profile.{name}` is no table")
    start = BUILT_IN.get(name, DEFAULT)
    keys = [f.name for f in fields(Profile) if f.name not in ("name", "costs")]
    for key, value in table.items():
        place = f"{path}: `{key}` of the profile `{name}`"
        if key not in keys:
            close = similar_name(key, keys)
            fix = f"did you mean `{close}`?" if close else ""
            raise _refused(f"{place} is not known", f"known: {', '.join(keys)}", fix=fix)
        if key == "models":
            continue
        expected = type(getattr(start, key))
        choices = _CHOICES.get(key)
        if type(value) is not expected or (choices and value not in choices):
            takes = " or ".join(f'"{c}"' for c in choices) if choices else f"a {expected.__name__}"
            raise _refused(f"{place} is {value!r}", f"it takes {takes}")
        if expected is int and not 0 <= value < 2**31:
            raise _refused(f"{place} is {value}", "it takes a whole number from 0 to 2^31")
    models_of_profile = _models(name, table.get("models", {}), path)
    costs = {
        expert: cost for expert, cost in start.costs.items() if expert not in models_of_profile
    }
    models = {**start.models, **models_of_profile}
    return replace(start, name=name, **{**table, "models": models, "costs": costs})


def _models(name: str, table: Any, path: Path) -> dict[str, str]:
    place = f"{path}: `models` of the profile `{name}`"
    if not isinstance(table, dict) or not all(isinstance(v, str) for v in table.values()):
        raise _refused(f"{place} names a folder or an id of the hub for each expert")
    able = [s.name for s in SIGNATURES.values() if s.parameter("model") is not None]
    for key in table:
        if key not in able:
            close = similar_name(key, able)
            fix = f"did you mean `{close}`?" if close else ""
            raise _refused(
                f"{place} names `{key}`, which is no expert with a model",
                f"those with one: {', '.join(able)}",
                fix=fix,
            )
    beside = path.parent
    there = {k: is_folder(beside / v) or is_file(beside / v) for k, v in table.items()}
    return {k: str(beside / v) if there[k] else v for k, v in table.items()}


def _refused(message: str, *notes: str, fix: str = "") -> PoeError:
    fixes = (Fix(fix),) if fix else ()
    return PoeError((Diagnostic("P0710", message, notes=notes, fixes=fixes),))
