"""Experts, rewards and sources in Python: the decorators, and loading what a program names.

@poedsl.reward
def redness(x: poedsl.Image, amount: float = 1.0):
    return amount * (x[:, 0] - x[:, 1:].mean(1)).mean((1, 2))
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from poedsl.catalog.annotations import Annotation, annotation
from poedsl.catalog.definitions import (
    OPTIONS,
    SAMPLE,
    Argument,
    Definition,
    Function,
    Kind,
    Unread,
    signature_of,
)
from poedsl.catalog.references import Place, Unusable, is_file, shown
from poedsl.catalog.signatures import REQUIRED, Signature
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError

if TYPE_CHECKING:
    import torch

T = TypeVar("T", bound=Callable[..., Any])
#: When a file was last written, and its size.
Stamp = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Code:
    """Python that is an expert, a reward or a source.

    Attributes:
        target: the function or class as it was decorated. file, line: where it is.
        stamp: of its file, where it was run on behalf of a program; else None.
        kind: as what it was decorated.
        args, kwargs: what a model is called with, beside what a program says.
    """

    signature: Signature
    target: Callable[..., Any]
    file: str
    line: int
    stamp: Stamp | None = None
    kind: Kind = "expert"
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"`{self.target.__name__}` at {shown(Path(self.file))}:{self.line}"

    def build(
        self,
        arguments: Mapping[str, Any],
        shape: tuple[int, ...] | None,
        device: torch.device,
    ) -> Any:
        """What a run evaluates: a `Generative` for experts with a score, a `Sequential` or a
        `Sectional` for those that extend a prefix, a `Reward` for judges and for densities (log p
        of each particle), and what it returned for a source.

        Args:
            arguments: by name; numbers, texts, tensors without a row for particles.
            shape: of one particle; None where nothing is sampled.

        Raises:
            PoeError: the code fails, or does not return what it says.
        """
        from poedsl.experts.user import adapters

        if self.kind == "model":
            from poedsl.experts.user.pyro_models import PyroExpert

            return PyroExpert(self, arguments, device)
        if self.signature.family == "source":
            return adapters.returned(self, arguments, device)
        if "extend" in self.signature.capabilities and self.signature.family == "flow":
            return adapters.UserSections(self, arguments, device)
        if self.signature.family == "flow":
            return adapters.UserFlow(self, arguments, shape or (), device)
        if self.signature.family == "tokens":
            return adapters.UserSequence(self, arguments, device)
        return adapters.judge(self, arguments, device)


@dataclass(slots=True)
class Registry:
    """What was decorated in this process, by name and by the file and name it stands in.

    Attributes:
        broken: what could not be, of files that were run on behalf of a program: that matters where
            it is used, and to nothing else of its file.
    """

    named: dict[str, Code] = field(default_factory=dict)
    placed: dict[tuple[str, str], Code] = field(default_factory=dict)
    broken: dict[tuple[str, str], Unusable] = field(default_factory=dict)
    _stamp: Stamp | None = None

    @property
    def borrowing(self) -> bool:
        """Whether a file is run on behalf of a program."""
        return self._stamp is not None

    def signatures(self) -> dict[str, Signature]:
        """Those that programs know without ``use``."""
        return {name: code.signature for name, code in self.named.items()}

    def add(self, code: Code) -> None:
        """Enter, in the place of what had its name before."""
        if self._stamp is None:
            self.named[code.signature.name] = code
        self.placed[code.file, code.target.__name__] = replace(code, stamp=self._stamp)

    def refuse(self, target: Callable[..., Any], file: str, error: Unusable) -> None:
        """Keep what is wrong for who uses it, or tell who decorates.

        Raises:
            PoeError: it is decorated by this process itself.
        """
        if self._stamp is None:
            raise refused(error) from None
        self.broken[file, target.__name__] = error

    def at(self, place: Place, base: Path) -> Code | None:
        """What was decorated at a place, if anything was.

        Raises:
            Unusable: there is no such file or module.
        """
        if (place.where, place.name) in self.placed:
            return self.placed[place.where, place.name]
        return self.placed.get((str(place.file(base)), place.name))

    @contextmanager
    def apart(self, stamp: Stamp) -> Iterator[None]:
        """While the file of that stamp is run: what it decorates is known by its place only."""
        self.broken.clear()
        before, self._stamp = self._stamp, stamp
        try:
            yield
        finally:
            self._stamp = before


REGISTRY = Registry()


# Decorators.


@overload
def expert(target: T, /) -> T: ...
@overload
def expert(
    *, domain: Annotation | str | None = None, cost: float = 0.0, citation: str = ""
) -> Callable[[T], T]: ...
def expert(target: Any = None, /, **options: Any) -> Any:
    """Make an expert of a function ``f(x, ...)`` that returns log densities, or of a class.

    The parameters after ``x``, or those of ``__init__``, are the expert's in the language. A class
    has one of the methods ``velocity(self, x, s)``, ``score(self, x, alpha, sigma)``,
    ``log_prob(self, x)`` or ``log_prob(self, x, alpha, sigma)``, and ``extend(self, prefix)`` for
    sequences of symbols, or ``extend(self, prefix, noise)`` for sections of numbers; see
    docs/experts.md.

    Args:
        domain: what it is over; without it the annotation of ``x``. cost: milliseconds of one
            evaluation of one particle. citation: where it is from.

    Raises:
        PoeError: an annotation is missing or is no type of the language.
    """
    return _decorate("expert", target, options)


@overload
def reward(target: T, /) -> T: ...
@overload
def reward(
    *,
    gradient: bool = False,
    domain: Annotation | str | None = None,
    cost: float = 0.0,
    citation: str = "",
) -> Callable[[T], T]: ...
def reward(target: Any = None, /, **options: Any) -> Any:
    """Make a reward of a function ``f(x, ...)`` or of a class with ``__call__(self, x)``.

    It takes particles (L, ...) and returns a number each, (L,).

    Args:
        gradient: whether it is differentiable in ``x`` by torch, so that kernels may follow it.
        domain, cost, citation: as for `expert`.

    Raises:
        PoeError: an annotation is missing or is no type of the language.
    """
    return _decorate("reward", target, options)


@overload
def source(target: T, /) -> T: ...
@overload
def source(*, cost: float = 0.0, citation: str = "") -> Callable[[T], T]: ...
def source(target: Any = None, /, **options: Any) -> Any:
    """Make a source of a function: what it returns is computed once a run.

    It is annotated with what it returns: a type, or ``poedsl.Record(depth=poedsl.Depth, ...)`` for
    a dictionary.

    Raises:
        PoeError: an annotation is missing or is no type of the language.
    """
    return _decorate("source", target, options)


@overload
def model(target: T, /) -> T: ...
@overload
def model(*, cost: float = 0.0, citation: str = "") -> Callable[[T], T]: ...
def model(target: Any = None, /, **options: Any) -> Any:
    """Make an expert of a model of Pyro's, a function that calls `pyro.sample`.

    It is over its latent sites, side by side in the order in which they are sampled, each in the
    coordinates of Pyro's bijection from the real line. Its parameters are numbers of any shape
    where they have no annotation.

    Args:
        cost, citation: as for `expert`.

    Raises:
        PoeError: a default is no plain number.
    """
    return _decorate("model", target, options)


def _decorate(kind: Kind, target: Any, options: Mapping[str, Any]) -> Any:
    unknown = sorted(options.keys() - set(OPTIONS[kind]))
    if unknown and not REGISTRY.borrowing:
        raise TypeError(f"poedsl.{kind} has no option {unknown[0]!r}")

    def register(target: Any) -> Any:
        if not isinstance(target, type) and not inspect.isfunction(inspect.unwrap(target)):
            raise TypeError(f"poedsl.{kind} decorates a function or a class, not {target!r}")
        file, line = _where(target)
        definition = _definition(kind, target, options, shown(Path(file)), line)
        place = _place(target, file)
        try:
            if unknown:
                raise Unusable("P0208", f"poedsl.{kind} has no option {unknown[0]!r}")
            signature = signature_of(definition, str(place))
        except Unusable as error:
            REGISTRY.refuse(target, file, error)
        else:
            REGISTRY.add(Code(signature, target, file, line, kind=kind))
        return target

    return register if target is None else register(target)


def called_with(
    target: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Code:
    """A model of Pyro's with all of its arguments, under a name of its own; it is not registered.

    Raises:
        Unusable: the name is one of the language.
    """
    file, line = _where(target)
    doc = target.__doc__ or ""
    definition = Definition("model", name, doc, Function(line=line), file=shown(Path(file)))
    signature = signature_of(definition, str(_place(target, file)))
    return Code(signature, target, file, line, kind="model", args=args, kwargs=kwargs)


def refused(error: Unusable) -> PoeError:
    return PoeError((Diagnostic(error.code, error.message, notes=error.notes),))


# What a function or class says of itself.


def _definition(
    kind: Kind, target: Callable[..., Any], options: Mapping[str, Any], file: str, line: int
) -> Definition:
    methods: dict[str, Function] | None = None
    makes = Function(line=line)
    if isinstance(target, type):
        own = {n: f for n, f in vars(target).items() if inspect.isfunction(f)}
        methods = {n: _function(f, method=True) for n, f in own.items()}
        makes = methods.get("__init__", makes)
    else:
        makes = _function(target)
    doc = target.__doc__ or ""
    return Definition(kind, target.__name__, doc, makes, methods, options, file)


def _function(target: Callable[..., Any], *, method: bool = False) -> Function:
    inner = inspect.unwrap(target)
    signature = inspect.signature(inner)
    namespace = inner.__globals__
    found, more = [], ""
    for p in list(signature.parameters.values())[method:]:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            more = more or str(p).partition(":")[0]
            continue
        default = REQUIRED if p.default is p.empty else p.default
        read = _annotation(p.annotation, namespace)
        found.append(Argument(p.name, read, default, p.kind is not p.POSITIONAL_ONLY))
    returns = _annotation(signature.return_annotation, namespace)
    return Function(tuple(found), returns, more, inner.__code__.co_firstlineno)


def _annotation(value: object, namespace: Mapping[str, object]) -> Any:
    if value is inspect.Parameter.empty:
        return None
    try:
        return annotation(value, namespace)
    except TypeError as error:
        return Unread(str(error))


def _where(target: Callable[..., Any]) -> tuple[str, int]:
    """The file that something is defined in, by its absolute path, and the line."""
    inner = inspect.unwrap(target)
    if isinstance(inner, type):
        own = [f for f in vars(inner).values() if inspect.isfunction(f)]
        inner = min(own, key=_written, default=inner)
    code = getattr(inner, "__code__", None)
    if code is None:
        return f"<{target.__module__}>", 0
    path = Path(code.co_filename)
    return (str(path.resolve()) if is_file(path) else code.co_filename), code.co_firstlineno


def _written(function: types.FunctionType) -> tuple[bool, int]:
    """Orders methods by their lines, those that dataclasses make up last."""
    return function.__code__.co_filename == "<string>", function.__code__.co_firstlineno


def _place(target: Callable[..., Any], file: str) -> Place:
    """By its module where that is part of a package, whose modules may import each other."""
    module = sys.modules.get(target.__module__)
    package = getattr(module, "__package__", "")
    inside = package and target.__module__ != "__main__"
    return Place(target.__module__ if inside else file, target.__name__)


# What programs name.


def load_user(signature: Signature, place: str, base: Path, allowed: bool) -> Code:
    """The Python behind a signature: what this process has decorated, or else its file, run.

    Args:
        place: ``file.py:name`` or ``package.module:name``. base: the folder that files are
            relative to. allowed: whether the caller gave leave to run code that a program names.

    Raises:
        PoeError: there is no leave (P0707), nothing of that name (P0206), or it is not what the
            program was compiled with (P0207); the code fails when it is run (P0708).
    """
    named = Place.read(place)
    try:
        if named is None:
            raise Unusable("P0206", f'"{place}" is no place of Python code')
        code = REGISTRY.at(named, base)
        if code is None or code.stamp is not None:
            code = _borrowed(code, named, base, allowed)
    except Unusable as error:
        raise refused(error) from None
    if not _alike(code.signature, signature):
        message = f"{code} is not what the program was compiled with"
        now = replace(code.signature, name=signature.name)
        raise refused(Unusable("P0207", message, f"then: {signature}", f"now: {now}"))
    return replace(code, signature=signature)


def _borrowed(known: Code | None, place: Place, base: Path, allowed: bool) -> Code:
    """What a file defines, which is run unless it has been since it was written."""
    file = place.file(base)
    if not allowed:
        raise Unusable(
            "P0707",
            f"this would run Python code: `{place.name}` in {file}",
            "allow it with `--allow-code`, or in Python with `plan.run(allow_code=True)`",
        )
    with failures(f"running {shown(file)}", str(file)):
        stat = file.stat()
        stamp = (stat.st_mtime_ns, stat.st_size)
        if known is None or known.stamp != stamp:
            with REGISTRY.apart(stamp):
                found = getattr(_run(place, file), place.name, None)
                if (str(file), place.name) not in REGISTRY.placed and samples(found):
                    _decorate("model", found, {})
            if error := REGISTRY.broken.get((str(file), place.name)):
                raise error
            known = REGISTRY.placed.get((str(file), place.name))
    if known is None or known.stamp != stamp:
        decorators = ", ".join(f"`@poedsl.{kind}`" for kind in OPTIONS)
        message = f"`{place.name}` in {shown(file)} is not decorated"
        raise Unusable("P0207", message, f"what a program can use has one of {decorators}")
    return known


def samples(target: object) -> bool:
    """Whether it is a function that calls `pyro.sample`, as the compiler sees from its syntax."""
    codes = [inspect.unwrap(target).__code__] if inspect.isfunction(target) else []
    for code in codes:
        codes += [inner for inner in code.co_consts if inspect.iscode(inner)]
    return any(SAMPLE.rpartition(".")[2] in code.co_names for code in codes)


def _run(place: Place, file: Path) -> types.ModuleType:
    """A module of a package is imported; a file becomes a module of its own name."""
    if not place.is_file:
        module = sys.modules.get(place.where)
        return importlib.import_module(place.where) if module is None else importlib.reload(module)
    digest = hashlib.sha256(str(file).encode()).hexdigest()[:8]
    name = f"_poedsl_{file.stem}_{digest}"
    module = types.ModuleType(name)
    module.__file__ = str(file)
    sys.modules[name] = module
    exec(compile(file.read_bytes(), str(file), "exec"), vars(module))
    return module


def _alike(a: Signature, b: Signature) -> bool:
    """Whether programs can call one as the other."""
    parts = ("family", "parameters", "domain", "capabilities", "returns")
    return all(getattr(a, part) == getattr(b, part) for part in parts)


@contextmanager
def failures(what: str, file: str) -> Iterator[None]:
    """Turns what user code raises into a diagnostic with its place in that file.

    Raises:
        PoeError: P0708.
    """
    try:
        yield
    except PoeError:
        raise
    except (Exception, SystemExit) as error:
        line = _line(error, file)
        reason = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
        at = f" at {shown(Path(file))}:{line}" if line else ""
        raise PoeError((Diagnostic("P0708", f"{what} failed{at}: {reason}"),)) from error


def _line(error: BaseException, file: str) -> int:
    """The innermost line of a file that an exception came through; 0 where there is none."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 0
    found, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace.tb_lineno
        trace = trace.tb_next
    return found
