"""The Python names: compile a program, bind its inputs, run it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from poedsl.catalog.signatures import Signature
from poedsl.compiler.compile import Compiled, compile_source
from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.read_json import from_json
from poedsl.compiler.plan.terms import Term
from poedsl.compiler.plan.text import print_plan
from poedsl.compiler.plan.verify import verify
from poedsl.compiler.planner.planner import rechoose
from poedsl.compiler.planner.refuse_options import refuse
from poedsl.compiler.typecheck.sample_options import check_option
from poedsl.grammar.diagnostics import Diagnostic, Fix, PoeError
from poedsl.grammar.parsing.parser import parse_expression
from poedsl.grammar.source import Source
from poedsl.interface import arguments

if TYPE_CHECKING:
    from poedsl.experts.user.decorators import Code
    from poedsl.runtime.pyro_model import PyroModel
    from poedsl.runtime.results.result import Result
    from poedsl.runtime.run import StageView


@dataclass(frozen=True)
class Plan:
    """A compiled program.

    Attributes:
        spec: the plan as data.
        base: the folder that file names in the program, and its ``use``, are relative to.
        diagnostics: warnings and notes of the compilation.
        allow_code: whether Python that the program names may run.
        code: what was decorated in this process, or given as a model, that the plan was compiled
            with: it counts for the plan whatever else has its name by now.
    """

    spec: PlanSpec
    base: Path = field(default=Path(), compare=False)
    diagnostics: tuple[Diagnostic, ...] = field(default=(), compare=False)
    allow_code: bool = field(default=False, compare=False)
    code: Mapping[str, Code] = field(default_factory=dict, compare=False)

    def __str__(self) -> str:
        return print_plan(self.spec)

    def bind(self, **values: Any) -> Plan:
        """The plan with values for some inputs: numbers, text, tensors, arrays, PIL images, `Path`
        to a file.

        Raises:
            PoeError: there is no such input, or a value has the wrong type or shape.
        """
        from poedsl.runtime.inputs.bind import bind

        return self._with(bind(self.spec, values, Path()))

    def with_options(self, **options: Any) -> Plan:
        """The plan with options of ``sample`` given: ``steps=100``, ``kernel="mala(steps = 2)"``.

        Raises:
            PoeError: there is no such option, or its value does not fit.
        """
        given = read_options({k: v for k, v in options.items()})
        spec = rechoose(self.spec, given)
        problems = refuse(spec, {})
        if problems:
            raise PoeError(tuple(problems))
        return self._with(spec)

    def bound(self) -> Plan:
        """The plan with every input bound, those not given by their defaults.

        Raises:
            PoeError: an input has neither a value nor a default.
        """
        from poedsl.runtime.inputs.bind import bind_defaults

        return self._with(bind_defaults(self.spec, self.base))

    def run(
        self,
        seed: int = 0,
        device: str = "cpu",
        microbatch: int | None = None,
        progress: bool = False,
        allow_code: bool | None = None,
        profile: str = "default",
        **options: Any,
    ) -> Result:
        """Run the plan to its end.

        Args:
            seed: of all random numbers; the same seed gives the same particles.
            device: ``cpu``, ``cuda``, ``cuda:1``.
            microbatch: particles evaluated at once; None for all.
            progress: show a line of progress on standard error, where that is a terminal.
            allow_code: whether Python that the program names may run; None: as compiled.
            profile: of the experts' weights, by its name in ``poe.toml``; ``small`` comes with the
                package.
            options: options of ``sample``, which override the program's.

        Raises:
            PoeError: an input is not bound, an option does not fit, a model or device is missing,
                or the program names Python and that is not allowed.
            TypeError, ValueError: the seed or the microbatch is no whole number, or too small.
        """
        from poedsl.runtime.inputs.profile_files import read_profile
        from poedsl.runtime.run import run

        seed, microbatch = _numbers(seed, microbatch)
        chosen = read_profile(arguments.text("profile", profile), self.base)
        plan = (self.with_options(**options) if options else self).bound()
        leave = self.allow_code if allow_code is None else allow_code
        more = (self.base, leave, chosen, 0, self.code)
        if not progress:
            return run(plan.spec, seed, device, microbatch, None, *more)
        from poedsl.runtime.results.progress import Progress

        with Progress() as shown:
            return run(plan.spec, seed, device, microbatch, shown, *more)

    def stream(
        self,
        seed: int = 0,
        device: str = "cpu",
        microbatch: int | None = None,
        allow_code: bool | None = None,
        profile: str = "default",
        **options: Any,
    ) -> Iterator[StageView]:
        """Run the plan, yielding every stage when it is done; the same particles as `run`.

        Raises:
            PoeError, TypeError, ValueError: as `run`.
        """
        from poedsl.runtime.inputs.profile_files import read_profile
        from poedsl.runtime.run import Run

        seed, microbatch = _numbers(seed, microbatch)
        chosen = read_profile(arguments.text("profile", profile), self.base)
        plan = (self.with_options(**options) if options else self).bound()
        leave = self.allow_code if allow_code is None else allow_code
        job = Run(plan.spec, seed, device, microbatch, self.base, leave, chosen, 0, self.code)
        for record in job.stages():
            yield job.view(record)

    def to_pyro(
        self, device: str = "cpu", allow_code: bool | None = None, profile: str = "default"
    ) -> PyroModel:
        """The plan as a model of Pyro's: a site for each variable, a factor for each factor.

        Its log density is that of the product, so that `pyro.poutine` traces, blocks, scales and
        conditions factors by name, and Pyro's own inference runs.

        Args:
            device, allow_code, profile: as of `run`.

        Raises:
            PoeError: a factor has no density, an input is not bound, or as `run`.
        """
        from poedsl.runtime.inputs.profile_files import read_profile
        from poedsl.runtime.pyro_model import pyro_model
        from poedsl.runtime.run import find_device

        chosen = read_profile(arguments.text("profile", profile), self.base)
        leave = self.allow_code if allow_code is None else allow_code
        place, spec = find_device(device), self.bound().spec
        return pyro_model(spec, place, self.base, leave, chosen, self.code)

    @classmethod
    def from_pyro(cls, model: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Plan:
        """The plan of one factor: a model of Pyro's over its latent sites, as `poedsl.model` has
        it. ``result.sites`` holds them by name.

        Args:
            args, kwargs: of the model. Lists and arrays of numbers come as tensors, on the device
                of the run, all else as it is. The plan keeps them; its JSON does not.

        Raises:
            TypeError: it is no function, or the arguments are not the model's.
        """
        from poedsl.interface.embedding import program_of

        text, code = program_of(model, args, kwargs)
        name = code.signature.name
        compiled = compile_source(Source(text), known={name: code.signature})
        return replace(plan_of(compiled, Path()), code={name: code})

    def to_json(self) -> str:
        """The plan as JSON, with its schema's name and a hash of its content; `load` reads it."""
        return self.spec.to_json()

    def _with(self, spec: PlanSpec) -> Plan:
        return replace(self, spec=spec)


def compile(program: str | Path, *, strict: bool = False, allow_code: bool = False) -> Plan:
    """Compile a program from its text or its file. Runs no code that the program names.

    Experts, rewards and sources that were decorated in this process are known by name.

    Args:
        program: a path, or a text: a string without line breaks that ends in ``.poe`` is a path.
        strict: refuse inputs that are not declared.
        allow_code: whether runs of the plan may run Python that the program names.

    Raises:
        PoeError: with all diagnostics, where there are errors, or the file cannot be read.
        TypeError, ValueError: what is given is neither a text nor a path, or the file is no text.
    """
    source, base = _source(program)
    compiled = compile_source(source, strict=strict, base=base, known=registered())
    return replace(plan_of(compiled, base), allow_code=allow_code)


def registered() -> dict[str, Signature]:
    """The signatures that decorators have registered in this process."""
    user = sys.modules.get("poedsl.experts.user.decorators")
    return {} if user is None else dict(user.REGISTRY.signatures())


def plan_of(compiled: Compiled, base: Path) -> Plan:
    """The plan of a compilation.

    Raises:
        PoeError: there are errors.
    """
    if compiled.plan is None:
        raise PoeError(compiled.diagnostics, compiled.source)
    return Plan(compiled.plan, base, compiled.diagnostics, code=_code(compiled.plan))


def _code(spec: PlanSpec) -> dict[str, Code]:
    """What was decorated in this process of all that a plan calls."""
    user = sys.modules.get("poedsl.experts.user.decorators")
    named: Mapping[str, Code] = {} if user is None else user.REGISTRY.named
    called = {u.name: u.signature for u in spec.uses}
    return {n: c for n, c in named.items() if called.get(n) == c.signature}


def load(json_text: str) -> Plan:
    """A plan from its JSON. Runs no code.

    Raises:
        PoeError: it is not a plan of this version, or was changed.
    """
    if not isinstance(json_text, str):
        raise TypeError(
            f"a plan is loaded from its JSON as a text, and this is {arguments.kind(json_text)}"
        )
    try:
        spec = from_json(json_text)
    except ValueError as error:
        raise PoeError((Diagnostic("P0606", str(error)),)) from error
    from poedsl.runtime.inputs.bind import rebound

    if problem := verify(spec):
        raise PoeError((Diagnostic("P0606", f"this plan cannot be run: {problem}"),))
    return Plan(rebound(spec))


def read_options(options: dict[str, Any]) -> dict[str, Term]:
    """Options of ``sample`` from text as in a program, or from plain values.

    Raises:
        PoeError: with every option that does not fit.
        TypeError: a value is neither a number nor a text.
    """
    given: dict[str, Term] = {}
    problems: list[Diagnostic] = []
    text = ""
    for name, value in options.items():
        text = value if isinstance(value, str) else _written(name, value)
        expr, found = parse_expression(Source(text, f"--sample {name}"))
        if expr is not None and not found:
            term, found = check_option(name, expr)
            if term is not None:
                given[name] = term
        problems += [
            Diagnostic(
                d.code,
                f"in `{name} = {text}`: {d.message}",
                notes=d.notes,
                fixes=tuple(Fix(f.text) for f in d.fixes),
            )
            for d in found
        ]
    if problems:
        raise PoeError(tuple(problems))
    return given


def _written(name: str, value: Any) -> str:
    """A value as it stands in a program."""
    if hasattr(value, "item"):  # of NumPy or torch
        value = value.item()
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    if not isinstance(value, (int, float)):
        raise TypeError(
            f"`{name}` is given as a number, or as a text as in a program, and this is "
            f"{arguments.kind(value)}"
        )
    return str(value)


def _numbers(seed: int, microbatch: int | None) -> tuple[int, int | None]:
    own = None if microbatch is None else arguments.whole("microbatch", microbatch, 1)
    return arguments.whole("seed", seed), own


def _source(program: str | Path) -> tuple[Source, Path]:
    if not isinstance(program, (str, Path)):
        raise TypeError(
            f"a program is its text or the path of its file, and this is {arguments.kind(program)}"
        )
    if isinstance(program, Path) or ("\n" not in program and program.strip().endswith(".poe")):
        path = Path(program)
        try:
            return Source(path.read_text(encoding="utf-8"), str(program)), path.parent
        except OSError as error:
            message = f"{program} cannot be read: {error.strerror}"
            raise PoeError((Diagnostic("P0604", message),)) from error
        except UnicodeDecodeError:
            raise ValueError(f"{program} is not a text in UTF-8") from None
    return Source(program), Path()
