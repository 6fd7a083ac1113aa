"""A program as a pipeline with the interface of diffusers, which can be saved as a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from poedsl import argument_checks
from poedsl.api import compile, load
from poedsl.interface.pipeline_files import (
    copy,
    files_of_program,
    folders_of_models,
    profile_as_toml,
    read_text,
    with_defaults,
)
from poedsl.plan import Plan
from poedsl.version import __version__

if TYPE_CHECKING:
    import torch

    from poedsl.runtime.results.result import Result

INDEX, PLAN, PROFILES = "model_index.json", "plan.json", "poe.toml"
#: Arguments of `PoePipeline.__call__` beside the inputs of the program.
CALL_ARGUMENTS = (
    "generator",
    "seed",
    "num_particles",
    "num_inference_steps",
    "microbatch",
    "dtype",
    "progress",
)


@dataclass(frozen=True)
class PipelineOutput:
    """The output of a pipeline.

    Attributes:
        images: PIL images of the first variable that is an image or a video, one for each particle
            (for a video a list of frames): the best first where the plan keeps the best, else
            draws of equal weight. Empty if there is no such variable.
        result: of the run.
    """

    images: list[Any]
    result: Result

    def __repr__(self) -> str:
        return f"PipelineOutput({len(self.images)} images, {self.result.verdict})"


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
            if spec.name in CALL_ARGUMENTS:
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
        dtype: str | torch.dtype = "auto",
        progress: bool = False,
        **inputs: Any,
    ) -> PipelineOutput:
        """Run the program.

        Args:
            generator: draws the seed, and moves on. seed: the seed itself. Without either torch's
                own generator draws it. num_particles, num_inference_steps: the options
                ``particles`` and ``steps``. microbatch, dtype, progress: as of `Plan.run`.
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
        options: dict[str, Any] = {"particles": num_particles, "steps": num_inference_steps}
        result = self.plan.bind(**inputs).run(
            seed=_drawn(generator) if seed is None else seed,
            device=self.device,
            microbatch=microbatch,
            dtype=dtype,
            progress=progress,
            profile=self.profile,
            **{name: value for name, value in options.items() if value is not None},
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

        out, plan = Path(folder), with_defaults(self.plan)
        profile = read_profile(argument_checks.text("profile", self.profile), plan.base)
        models = folders_of_models(profile, plan)
        copied = sorted(set(files_of_program(plan.spec, plan.base)))
        for name in copied:
            if ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name} is outside of the program's folder")
        out.mkdir(parents=True, exist_ok=True)
        for name in copied:
            copy(plan.base / name, out / name)
        for expert, target in models.items():
            copy(Path(profile.models[expert]), out / target)
        (out / PLAN).write_text(plan.to_json(), encoding="utf-8")
        index = {
            "_class_name": type(self).__name__,
            "_poedsl_version": __version__,
            "plan": PLAN,
            "profile": self.profile,
        }
        (out / INDEX).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
        profile = replace(profile, models={**profile.models, **models})
        (out / PROFILES).write_text(profile_as_toml(profile), encoding="utf-8")

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
            index = json.loads(read_text(place, INDEX))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{place / INDEX} is no JSON: {error}") from error
        if not isinstance(index, dict) or index.get("_class_name") != cls.__name__:
            raise ValueError(f"{place / INDEX} is not that of a {cls.__name__}")
        plan = load(read_text(place, PLAN))
        plan = replace(plan, base=place, allow_code=allow_code)
        return cls(plan, str(device), str(index.get("profile", "default")))


def _drawn(generator: torch.Generator | None) -> int:
    """A seed by a generator, or by torch's own."""
    import torch

    device = "cpu" if generator is None else generator.device
    return int(torch.randint(2**31 - 1, (1,), generator=generator, device=device))


def _images(result: Result) -> list[Any]:
    """Every particle of the first image or video."""
    from poedsl.runtime.core.sampler_options import keeps_best
    from poedsl.runtime.results.grids import pil_image

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
