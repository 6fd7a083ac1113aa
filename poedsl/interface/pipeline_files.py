"""The files of a saved pipeline."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from poedsl.catalog.adapters import lora_places
from poedsl.catalog.code_references import CodeReference
from poedsl.catalog.profiles import Profile
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Const
from poedsl.plan import Plan


def with_defaults(plan: Plan) -> Plan:
    """The plan with every input bound that has a default."""
    from poedsl.runtime.inputs.bind import bind, unbound_defaults

    return replace(plan, spec=bind(plan.spec, unbound_defaults(plan.spec), plan.base))


def files_of_program(plan: PlanSpec, base: Path) -> Iterator[str]:
    """The files and folders that a plan names relative to its program."""
    references = [CodeReference.parse(u.place) for u in plan.uses]
    named = [r.location if r else u.place for r, u in zip(references, plan.uses, strict=True)]
    named += [str(v) for n, v in plan.bindings if _type(plan, n) == "File"]
    for call, _ in plan.calls():
        signature = plan.find_signature(call.function)
        for name, value in call.kwargs:
            parameter = signature.parameter(name) if signature is not None else None
            kind = parameter.type.name if parameter and parameter.type else ""
            weights = name == "model" or (parameter is not None and parameter.role == "weights")
            if isinstance(value, Const) and value.value and (kind == "File" or weights):
                named.append(str(value.value))
            elif isinstance(value, Const) and value.value and name == "lora":
                named += lora_places(str(value.value))
    for name in named:
        if name and not Path(name).is_absolute() and (base / name).exists():
            yield name


def folders_of_models(profile: Profile, plan: Plan) -> dict[str, str]:
    """The folders that a profile has for what a plan calls, relative to the profile's file."""
    from poedsl.runtime.inputs.profile_files import find_file

    file, called = find_file(plan.base), {call.function for call, _ in plan.spec.calls()}
    models = {expert: Path(m) for expert, m in profile.models.items() if expert in called}
    return {
        expert: folder.relative_to(file.parent).as_posix()
        for expert, folder in models.items()
        if file and folder.is_dir() and folder.is_relative_to(file.parent)
    }


def _type(plan: PlanSpec, name: str) -> str:
    return next(i.type.name for i in plan.inputs if i.name == name)


def read_text(folder: Path, name: str) -> str:
    """The text of a file of a saved pipeline."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not (folder / name).is_file():
        raise FileNotFoundError(f"the folder {folder} holds no pipeline: it has no {name}")
    return (folder / name).read_text(encoding="utf-8-sig")


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, unless it is already there."""
    if source.resolve() == target.resolve():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def profile_as_toml(profile: Profile) -> str:
    """A profile as ``poe.toml`` holds it."""
    lines = [f"[profile.{json.dumps(profile.name)}]"]
    for field in fields(profile):
        value = getattr(profile, field.name)
        if field.name not in ("name", "models", "costs") and value != field.default:
            lines.append(f"{field.name} = {json.dumps(value)}")
    if profile.models:
        lines.append(f"[profile.{json.dumps(profile.name)}.models]")
        lines += [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in profile.models.items()]
    return "\n".join(lines) + "\n"
