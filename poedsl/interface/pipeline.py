"""A program as a pipeline in the manner of diffusers: inputs in, pictures out; kept as a folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import poedsl
from poedsl.api import Plan, compile, load
from poedsl.catalog.profiles import Profile
from poedsl.catalog.references import Place
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.terms import Const
from poedsl.interface import arguments

if TYPE_CHECKING:
    import torch

    from poedsl.runtime.results.result import Result

INDEX, PLAN, PROFILES = "model_index.json", "plan.json", "poe.toml"
#: What calls take beside the program's inputs.
OWN = ("generator", "seed", "num_particles", "num_inference_steps", "microbatch", "progress")


@dataclass(frozen=True)
class PipelineOutput:
    """What a call of a pipeline gives.

    Attributes:
        images: of the program's first picture, PIL images in [0, 255], as many as particles: the
            best first where the plan keeps the best, else draws of equal weight. Of a film, a list
            of frames each. Empty where the program samples neither.
        result: of the run.
    """

    images: list[Any]
    result: Result


@dataclass(frozen=True)
class PoePipeline:
    """A compiled program with a device and a profile.

    Attributes:
        profile: of the experts' weights, by its name in ``poe.toml``.
    """

    plan: Plan
    device: str = "cpu"
    profile: str = "default"

    def __post_init__(self) -> None:
        for spec in self.plan.spec.inputs:
            if spec.name in OWN:
                raise ValueError(f"the input `{spec.name}` has the name of an argument of calls")

    @classmethod
    def from_program(
        cls,
        program: str | Path,
        *,
        device: str = "cpu",
        profile: str = "default",
        allow_code: bool = False,
        **options: Any,
    ) -> PoePipeline:
        """The pipeline of a program's text or file.

        Args:
            program, allow_code: as of `poedsl.compile`.
            options: options of ``sample``, which override the program's.

        Raises:
            PoeError: there are errors in the program, or an option does not fit.
            ValueError: an input has the name of an argument of `__call__`.
        """
        plan = compile(program, allow_code=allow_code)
        return cls(plan.with_options(**options) if options else plan, str(device), profile)

    def to(self, device: str | torch.device) -> PoePipeline:
        """The pipeline on another device."""
        return replace(self, device=str(device))

    def __call__(
        self,
        *,
        generator: torch.Generator | None = None,
        seed: int | None = None,
        num_particles: int | None = None,
        num_inference_steps: int | None = None,
        microbatch: int | None = None,
        progress: bool = False,
        **inputs: Any,
    ) -> PipelineOutput:
        """Run the program.

        Args:
            generator: draws the seed, and moves on. seed: the seed itself. Without either torch's
                own generator draws it. num_particles, num_inference_steps: the options
                ``particles`` and ``steps``. microbatch, progress: as of `Plan.run`.
            inputs: of the program: PIL images, arrays, tensors, file names, numbers, texts.

        Raises:
            PoeError: an input does not fit or has no value, or as `Plan.run`.
            TypeError: both a generator and a seed are given, or several generators.
        """
        if isinstance(generator, (list, tuple)):
            raise TypeError(
                "`generator` is one generator: it draws the seed of the run, and all particles "
                "are of that"
            )
        if generator is not None and seed is not None:
            raise TypeError("either a generator or a seed is given")
        given: dict[str, Any] = {"particles": num_particles, "steps": num_inference_steps}
        result = self.plan.bind(**inputs).run(
            seed=_drawn(generator) if seed is None else seed,
            device=self.device,
            microbatch=microbatch,
            progress=progress,
            profile=self.profile,
            **{name: value for name, value in given.items() if value is not None},
        )
        return PipelineOutput(_images(result), result)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the plan, the profile, and what the program names beside it to a folder.

        Defaults that are files are read into the plan. Weights of the hub, what comes with the
        package, and what is named by an absolute path or lies outside of the folder of the profile
        are not copied.

        Raises:
            PoeError: a default cannot be read.
            ValueError: the program names a file outside of its folder.
            OSError: the folder cannot be written.
        """
        from poedsl.runtime.inputs.profile_files import read_profile

        out, plan = Path(folder), _with_defaults(self.plan)
        profile = read_profile(arguments.text("profile", self.profile), plan.base)
        models = _models(profile, plan)
        copied = sorted(set(_beside(plan.spec, plan.base)))
        for name in copied:
            if ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name} is outside of the program's folder")
        out.mkdir(parents=True, exist_ok=True)
        for name in copied:
            _copy(plan.base / name, out / name)
        for expert, own in models.items():
            _copy(Path(profile.models[expert]), out / own)
        (out / PLAN).write_text(plan.to_json(), encoding="utf-8")
        index = {
            "_class_name": type(self).__name__,
            "_poedsl_version": poedsl.__version__,
            "plan": PLAN,
            "profile": self.profile,
        }
        (out / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        profile = replace(profile, models={**profile.models, **models})
        (out / PROFILES).write_text(_toml(profile), encoding="utf-8")

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, device: str = "cpu", allow_code: bool = False
    ) -> PoePipeline:
        """The pipeline that a folder holds. Runs no code.

        Args:
            allow_code: whether runs may run Python that the folder holds.

        Raises:
            PoeError: its plan is none. ValueError: it holds no pipeline. OSError: it is not there,
                or cannot be read.
        """
        place = Path(folder)
        try:
            index = json.loads(_saved(place, INDEX))
        except ValueError as error:
            raise ValueError(f"{place / INDEX} is no JSON: {error}") from error
        if not isinstance(index, dict) or index.get("_class_name") != cls.__name__:
            raise ValueError(f"{place / INDEX} is not that of a {cls.__name__}")
        plan = load(_saved(place, PLAN))
        plan = replace(plan, base=place, allow_code=allow_code)
        return cls(plan, str(device), str(index.get("profile", "default")))


def _drawn(generator: torch.Generator | None) -> int:
    """A seed by a generator, or by torch's own."""
    import torch

    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**31 - 1, (1,), generator=generator, device=device))


def _images(result: Result) -> list[Any]:
    """Every particle of the first picture or film."""
    from poedsl.runtime.results.pictures import pil_image
    from poedsl.runtime.results.result import keeps_best

    shown = [v for v in result.plan.variables if v.type.name in ("Image", "Video")]
    if not shown or not result.outcome.ok:
        return []
    name, count = shown[0].name, len(result.log_weights)
    if keeps_best(result.plan):
        particles = result.particles[name][result.scores.argsort(descending=True)]
    else:
        particles = result.sample(count)[name]
    particles = particles.clamp(0, 1).cpu()
    if shown[0].type.name == "Image":
        return [pil_image(particle) for particle in particles]
    return [[pil_image(frame) for frame in film] for film in particles]


def _with_defaults(plan: Plan) -> Plan:
    """The plan with every input bound that has a default."""
    from poedsl.runtime.inputs.bind import bind

    bound = dict(plan.spec.bindings)
    defaults = {
        i.name: i.default.value
        for i in plan.spec.inputs
        if i.name not in bound and isinstance(i.default, Const)
    }
    return replace(plan, spec=bind(plan.spec, defaults, plan.base))


def _beside(plan: PlanSpec, base: Path) -> Iterator[str]:
    """The files and folders that a plan names relative to its program."""
    named = [place.where if (place := Place.read(u.place)) else u.place for u in plan.uses]
    named += [str(v) for n, v in plan.bindings if _type(plan, n) == "File"]
    for call, _ in plan.calls():
        signature = plan.find_signature(call.function)
        for name, value in call.kwargs:
            parameter = signature.parameter(name) if signature is not None else None
            kind = parameter.type.name if parameter and parameter.type else ""
            if isinstance(value, Const) and (kind == "File" or name == "model"):
                named.append(str(value.value))
    for name in named:
        if name and not Path(name).is_absolute() and (base / name).exists():
            yield name


def _models(profile: Profile, plan: Plan) -> dict[str, str]:
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


def _saved(folder: Path, name: str) -> str:
    """The text of a file of a saved pipeline."""
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    if not (folder / name).is_file():
        raise FileNotFoundError(f"the folder {folder} holds no pipeline: it has no {name}")
    return (folder / name).read_text(encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    if source.resolve() == target.resolve():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
    else:
        shutil.copy(source, target)


def _toml(profile: Profile) -> str:
    """A profile as ``poe.toml`` holds it."""
    lines = [f"[profile.{json.dumps(profile.name)}]"]
    for field in fields(profile):
        value = getattr(profile, field.name)
        if field.name not in ("name", "models") and value != field.default:
            lines.append(f"{field.name} = {json.dumps(value)}")
    if profile.models:
        lines.append(f"[profile.{json.dumps(profile.name)}.models]")
        lines += [f"{json.dumps(k)} = {json.dumps(v)}" for k, v in profile.models.items()]
    return "\n".join(lines) + "\n"
