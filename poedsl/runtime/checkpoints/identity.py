"""What the numbers of a run depend on, so that a run goes on only where all of it is as it was."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from poedsl.catalog.adapters import find_loras
from poedsl.catalog.code_references import CodeReference
from poedsl.catalog.signatures import Signature
from poedsl.catalog.single_files import configurations
from poedsl.catalog.weights import find_model
from poedsl.compiler.plan.plan import PlanSpec, canonical_hash
from poedsl.compiler.plan.terms import Apply, Const
from poedsl.experts.flows.content_keys import content_key
from poedsl.experts.user.registry import UserCode
from poedsl.runtime.build.models import Models
from poedsl.runtime.core.devices import find_device
from poedsl.runtime.core.run_settings import RunSettings
from poedsl.version import __version__

#: Distributions that every run computes with, and those of the extras that experts require.
ALWAYS = ("torch", "numpy", "pyro-ppl")
REQUIRED = {
    "diffusers": (
        *("diffusers", "transformers", "tokenizers", "safetensors"),
        *("peft", "torchao", "accelerate", "gguf"),
    ),
    "physics": ("mujoco",),
    "video": ("av",),
}
#: Members of a plan that say where something stands, or why, and do not change a run.
REMARKS = frozenset({"place", "program", "notes", "reason", "hash"})
#: Files up to this size are read whole; of larger ones as many bytes at the start, the middle and
#: the end, beside their size.
WHOLE, SAMPLE = 2**24, 2**20

#: Each thing that a run depends on, by its name in words.
Identity = dict[str, str]


def identity(plan: PlanSpec, settings: RunSettings) -> Identity:
    """What a run of a plan depends on. Files are identified by their content.

    Args:
        plan: with every input bound.

    Raises:
        PoeError: there is no such device (P0702).
    """
    return {
        **of_plan(plan),
        **_of_settings(settings),
        **of_versions(plan),
        **of_machine(find_device(settings.device)),
        **dict(_of_files(plan, settings)),
    }


def differences(then: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """A sentence for everything that is not as it was."""
    changed = (n for n in dict.fromkeys((*then, *now)) if then.get(n) != now.get(n))
    return tuple(_difference(name, then.get(name), now.get(name)) for name in changed)


def _difference(name: str, then: str | None, now: str | None) -> str:
    if then is None or now is None:
        return f"{name} is {'new' if then is None else 'gone'}"
    if then.startswith("sha256:"):
        return f"{name} has changed"
    return f"{name} was {then}, and is {now}"


def of_plan(plan: PlanSpec) -> Identity:
    """The parts of a plan that change a run: not its name, places, notes and reasons."""
    data = _without_remarks(plan.to_data())
    options = {f"the option `{o['name']}`": _hash(o["value"]) for o in data.pop("options")}
    inputs = {f"the input `{n}`": _hash(v) for n, v in data.pop("bindings").items()}
    return {**{f"the plan's {n}": _hash(v) for n, v in data.items()}, **options, **inputs}


def _without_remarks(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_remarks(v) for k, v in value.items() if k not in REMARKS}
    return [_without_remarks(v) for v in value] if isinstance(value, list) else value


def _hash(value: Any) -> str:
    return canonical_hash({"value": value})


def _of_settings(settings: RunSettings) -> Identity:
    names = ("seed", "device", "dtype", "microbatch", "shown_stages")
    chosen = {f"`{name}`": str(getattr(settings, name)) for name in names}
    profile = {k: v for k, v in asdict(settings.profile).items() if k != "costs"}
    return {**chosen, "the profile": _hash(profile)}


def of_versions(plan: PlanSpec) -> Identity:
    signatures = (plan.find_signature(call.function) for call, _ in plan.calls())
    extras = dict.fromkeys(s.requires for s in signatures if s is not None)
    distributions = (*ALWAYS, *(name for extra in extras for name in REQUIRED.get(extra, ())))
    versions = {name: version for name in distributions if (version := _version(name))}
    return {"poedsl": __version__, "Python": platform.python_version(), **versions}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def of_machine(device: torch.device) -> Identity:
    """What the order of floating-point sums depends on."""
    machine = {
        "the number of threads": str(torch.get_num_threads()),
        "the processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }
    if device.type == "cuda":
        machine["the GPU"] = torch.cuda.get_device_name(device)
    return machine


def _of_files(plan: PlanSpec, settings: RunSettings) -> Iterator[tuple[str, str]]:
    """The files that a run reads: Python code, inputs that are files, and weights."""
    base = settings.folder
    for use in plan.uses:
        code = settings.code.get(use.name)
        reference = CodeReference.parse(use.place)
        if code is not None:
            yield f"the code of `{use.name}`", _of_code(code)
        elif reference is not None:
            yield f"the file {reference.location}", of_file(reference.file(base))
    types = {i.name: i.type.name for i in plan.inputs}
    named = [value for name, value in plan.bindings if types.get(name) == "File"]
    models = Models.of(plan, settings)
    for call, _ in plan.calls():
        signature = plan.find_signature(call.function)
        if signature is None or not signature.implementation:
            continue
        for parameter in signature.parameters:
            term = dict(call.kwargs).get(parameter.name)
            kind = "" if parameter.type is None else parameter.type.name
            if kind == "File" and isinstance(term, Const):
                named.append(term.value)
        for name, path in _weights(models, call, signature):
            yield f"the weights {name} of `{signature.name}`", of_place(path)
            if path.is_file() and (home := configurations(path)) != path:
                yield f"the configurations of {name}", of_place(home)
    for value in named:
        yield f"the file {value}", of_place(base / str(value))


def _weights(models: Models, call: Apply, signature: Signature) -> Iterator[tuple[str, Path]]:
    """The files and folders of the weights of a call, by what they are called there."""
    if signature.model and signature.parameter("model") is None:
        yield signature.model, Path(models.folder(call))
    for parameter, name in models.weights(signature, dict(call.kwargs)):
        if parameter == "lora":
            for lora in find_loras(signature.name, name, models.base):
                yield name, Path(lora.path)
        else:
            yield name, find_model(signature.name, name, models.base, parameter)


def _of_code(code: UserCode) -> str:
    path = Path(code.file)
    source = of_file(path) if path.is_file() else ""
    return _hash([source, code.line, content_key((list(code.args), dict(code.kwargs)))])


def of_file(path: Path) -> str:
    """A digest of the content of a file; of a large one, of parts of it."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = file.seek(0, 2)
        starts = (0,) if size <= WHOLE else (0, (size - SAMPLE) // 2, size - SAMPLE)
        digest.update(str(size).encode())
        for start in starts:
            file.seek(start)
            digest.update(file.read(WHOLE if size <= WHOLE else SAMPLE))
    return f"sha256:{digest.hexdigest()}"


def of_place(place: Path) -> str:
    """A digest of a file, or of the names and the content of all files below a folder."""
    if not place.is_dir():
        return of_file(place)
    paths = sorted(p for p in place.rglob("*") if p.is_file())
    return _hash([[p.relative_to(place).as_posix(), of_file(p)] for p in paths])
