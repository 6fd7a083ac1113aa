"""A compiled program, and what can be done with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poedsl.compiler.compile import Compiled, compile_source
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.text import print_plan
from poedsl.compiler.planner.planner import rechoose
from poedsl.compiler.planner.refuse_options import refuse
from poedsl.compiler.typecheck.option_text import read_options
from poedsl.experts.user import registry
from poedsl.experts.user.importable import require_importable
from poedsl.experts.user.registry import UserCode
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.source import Source
from poedsl.runtime.inputs.requested_settings import requested_settings

if TYPE_CHECKING:
    import torch

    from poedsl.runtime.pyro_model import PyroModel
    from poedsl.runtime.results.result import Result
    from poedsl.runtime.stage_view import StageView


@dataclass(frozen=True)
class Plan:
    """A compiled program.

    Attributes:
        spec: the plan as data.
        base: the folder to which file names and ``use`` statements of the program are relative.
        diagnostics: warnings and notes of the compilation.
        allow_code: whether Python code that the program names may run.
        code: the decorated objects and models that the plan was compiled with, by name; objects
            of the same name that are decorated later do not replace them.
    """

    spec: PlanSpec
    base: Path = field(default=Path(), compare=False)
    diagnostics: tuple[Diagnostic, ...] = field(default=(), compare=False)
    allow_code: bool = field(default=False, compare=False)
    code: Mapping[str, UserCode] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return print_plan(self.spec)

    def __repr__(self) -> str:
        from poedsl.compiler.views.brief import brief

        return brief(self.spec, self._missing)

    def _repr_html_(self) -> str:
        from poedsl.compiler.views.brief import brief_html

        return brief_html(self.spec, self._missing)

    @property
    def _missing(self) -> frozenset[str]:
        """The names of inputs that a caller still has to bind."""
        from poedsl.runtime.inputs.bind import inputs_without_value

        return frozenset(i.name for i in inputs_without_value(self.spec))

    def __getstate__(self) -> dict[str, Any]:
        """The plan for another process.

        Raises:
            PicklingError: an object that it was compiled with cannot be imported there.
        """
        for code in self.code.values():
            require_importable(code)
        return self.__dict__

    def __deepcopy__(self, _: Any) -> Plan:
        return self

    def bind(self, /, *data: Any, **values: Any) -> Plan:
        """The plan with values for some inputs.

        Args:
            data: values for many inputs: a data frame of pandas or polars or a table of pyarrow,
                whose columns are inputs; a mapping; or the name of a file, which ends in .json,
                .csv, .tsv, .parquet or .npz. What no input takes is ignored, and noted among the
                ``diagnostics`` of the plan.
            values: numbers, texts, lists, tensors, NumPy arrays, data frames, PIL images, or a
                `Path` to a file; docs/inputs.md has the rules by which they are read. They are
                used in place of what ``data`` have.

        Raises:
            PoeError: an input is unknown, a value has the wrong type or shape, or data cannot be
                read.
        """
        from poedsl.runtime.inputs.bind import bind
        from poedsl.runtime.inputs.data import read_source, unused

        sources = [read_source(d) for d in data]
        spec = bind(self.spec, values, Path(), sources)
        notes = unused(spec, sources)
        return replace(self, spec=spec, diagnostics=(*self.diagnostics, *notes))

    def with_options(self, **options: Any) -> Plan:
        """The plan with options of ``sample`` given: ``steps=100``, ``kernel="mala(steps = 2)"``.

        Raises:
            PoeError: an option is unknown, or its value does not fit.
            TypeError: a value is neither a number nor a text.
        """
        spec = rechoose(self.spec, read_options(options))
        problems = refuse(spec.sampled, {})
        if problems:
            raise PoeError(tuple(problems))
        return self._with(spec)

    def bound(self) -> Plan:
        """The plan with every input bound, those without a value to their defaults.

        Raises:
            PoeError: an input has neither a value nor a default.
        """
        from poedsl.runtime.inputs.bind import bind_defaults

        return self._with(bind_defaults(self.spec, self.base))

    def prior(self) -> Plan:
        """The plan with its data left out: runs sample the prior, the product of all factors but
        likelihoods, and `Result.predict` draws data from it.

        Inputs that are data alone need no value where their sizes are declared: they are not read.

        Raises:
            PoeError: nothing but likelihoods would be left.
        """
        spec = replace(self.spec, prior=True)
        if not spec.sampled.factors:
            raise PoeError((Diagnostic("P0408", "without its data the program has no factors"),))
        return self._with(rechoose(spec, {}))

    def run(
        self,
        seed: int = 0,
        device: str = "cpu",
        microbatch: int | None = None,
        progress: bool = False,
        allow_code: bool | None = None,
        profile: str = "default",
        dtype: str | torch.dtype = "auto",
        checkpoint: str | Path | None = None,
        **options: Any,
    ) -> Result:
        """Run the plan to its end.

        Args:
            seed: of all random numbers; runs with the same seed have the same particles.
            device: ``cpu``, ``cuda``, ``cuda:1``.
            microbatch: the number of particles evaluated at once; None for all.
            progress: whether to show the progress on standard error, where that is not a terminal
                in a line every 30 seconds.
            allow_code: whether Python code that the program names may run; None: as compiled.
            profile: the name of a profile in ``poe.toml``, or ``small``, which comes with the
                package.
            dtype: of the particles and of all numbers but those in networks: ``float32`` or
                ``float64``, by name or as torch's type; ``auto`` is ``float64`` where densities
                are tempered and neither models nor Python code take part, else ``float32``.
            checkpoint: a folder in which the run keeps a checkpoint, every 30 seconds, and removes
                it at its end. A run that finds a checkpoint there goes on from it, with the same
                result as if it had never stopped (docs/reliability.md).
            options: options of ``sample``, which override the program's, and values of inputs, as
                `bind` takes them; a name of both is the option.

        Raises:
            PoeError: an input is not bound, an option does not fit, a model or device is missing,
                or the program names Python code, which is not allowed (P0707). The checkpoint is
                damaged (P0721), or of a run that differs (P0722).
            TypeError, ValueError: the seed or the microbatch is no whole number, or too small, or
                the dtype is another.
        """
        from poedsl.runtime.run_plan import run_shown

        settings = requested_settings(self, seed, device, microbatch, allow_code, profile, dtype)
        folder = None if checkpoint is None else Path(checkpoint)
        plan = self._with_values_and_options(options).bound()
        return run_shown(plan.spec, settings, folder, shown=progress)

    def stream(
        self,
        seed: int = 0,
        device: str = "cpu",
        microbatch: int | None = None,
        allow_code: bool | None = None,
        profile: str = "default",
        dtype: str | torch.dtype = "auto",
        checkpoint: str | Path | None = None,
        **options: Any,
    ) -> Iterator[StageView]:
        """Run the plan and yield a view of every stage; the particles are those of `run`.

        The last view has the ``result`` of the run, which is None in all others. A run that fails
        yields its last stage again, with the result.

        Args:
            checkpoint: as of `run`. A run that goes on from a checkpoint yields the last stage of
                that first, and then the stages that follow it. If the iteration is left before its
                end, the checkpoint stays.

        Raises:
            PoeError, TypeError, ValueError: as `run`.
        """
        from poedsl.runtime.run_plan import views

        settings = requested_settings(self, seed, device, microbatch, allow_code, profile, dtype)
        folder = None if checkpoint is None else Path(checkpoint)
        yield from views(self._with_values_and_options(options).bound().spec, settings, folder)

    def _with_values_and_options(self, values_and_options: dict[str, Any]) -> Plan:
        """The plan with options of ``sample`` and values of inputs."""
        inputs = {i.name for i in self.spec.inputs} - {o.name for o in self.spec.options}
        values = {name: value for name, value in values_and_options.items() if name in inputs}
        options = {name: value for name, value in values_and_options.items() if name not in inputs}
        plan = self.bind(**values) if values else self
        return plan.with_options(**options) if options else plan

    def to_pyro(
        self, device: str = "cpu", allow_code: bool | None = None, profile: str = "default"
    ) -> PyroModel:
        """The plan as a model of Pyro's, with a site for each variable and for each factor.

        Its log density is that of the product, so that `pyro.poutine` can trace, block, scale and
        condition factors by name, and the inference algorithms of Pyro apply.

        Args:
            device, allow_code, profile: as of `run`.

        Raises:
            PoeError: a factor has no density, an input is not bound, or as `run`.
        """
        from poedsl.runtime.pyro_model import pyro_model

        settings = requested_settings(self, 0, device, None, allow_code, profile)
        return pyro_model(self.bound().spec, settings)

    @classmethod
    def from_pyro(cls, model: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Plan:
        """The plan of one factor, a model of Pyro's over its latent sites, as by `poedsl.model`.

        ``result.sites`` of a run has the sites by name.

        Args:
            args, kwargs: of the model. Lists and arrays of numbers are converted to tensors on the
                device of the run. The plan keeps the arguments; its JSON does not.

        Raises:
            TypeError: it is no function, or the arguments do not fit its parameters.
        """
        from poedsl.experts.user.pyro_program import program_of

        text, code = program_of(model, args, kwargs)
        name = code.signature.name
        compiled = compile_source(Source(text), registered={name: code.signature})
        return replace(plan_of(compiled, Path()), code={name: code})

    def to_json(self) -> str:
        """The plan as JSON, with its schema's name and a hash of its content; `load` reads it.

        Pictures, layouts and other defaults that are read from files are bound, so that the JSON
        holds their content; inputs of type File stay paths.

        Raises:
            PoeError: the file of a default cannot be read (P0604), or does not fit.
        """
        return self.with_default_files().spec.to_json()

    def with_default_files(self) -> Plan:
        """The plan with the content of defaults that are files bound.

        Raises:
            PoeError: a file cannot be read (P0604), or does not fit.
        """
        from poedsl.runtime.inputs.bind import bind_default_files

        return self._with(bind_default_files(self.spec, self.base))

    def _with(self, spec: PlanSpec) -> Plan:
        return replace(self, spec=spec)


def plan_of(compiled: Compiled, base: Path) -> Plan:
    """The plan of a compiled program.

    Raises:
        PoeError: the program has errors.
    """
    if compiled.plan is None:
        raise PoeError(compiled.diagnostics, compiled.source)
    code = registry.REGISTRY.called({u.name: u.signature for u in compiled.plan.uses})
    return Plan(compiled.plan, base, compiled.diagnostics, code=code)
