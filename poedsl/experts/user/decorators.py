"""The decorators `poedsl.expert`, `poedsl.reward`, `poedsl.source` and `poedsl.model`.

@poedsl.reward
def redness(x: poedsl.Image, amount: float = 1.0):
    return amount * (x[:, 0] - x[:, 1:].mean(1)).mean((1, 2))
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, overload

from poedsl.catalog.annotations import Annotation
from poedsl.catalog.code_references import DefinitionError, shown
from poedsl.catalog.definitions import OPTIONS, Definition, Kind, PythonFunction
from poedsl.catalog.infer_signature import infer_signature
from poedsl.experts.user import registry
from poedsl.experts.user.inspection import definition_of, reference_to, source_location
from poedsl.experts.user.registry import UserCode

T = TypeVar("T", bound=Callable[..., Any])


@overload
def expert(target: T, /) -> T: ...
@overload
def expert(
    *, domain: Annotation | str | None = None, cost: float = 0.0, citation: str = ""
) -> Callable[[T], T]: ...
def expert(target: Any = None, /, **options: Any) -> Any:
    """Make an expert of a function ``f(x, ...)`` that returns log densities, or of a class.

    The function takes particles ``x`` (L, ...) and returns log p of each, (L,). The parameters
    after ``x``, or those of ``__init__``, are those of the expert in the language. A class has one
    of the methods ``velocity(self, x, s)``, ``score(self, x, alpha, sigma)``,
    ``log_prob(self, x)`` or ``log_prob(self, x, alpha, sigma)``, and ``extend(self, prefix)`` for
    sequences of symbols, or ``extend(self, prefix, noise)`` for sections of numbers; see
    docs/experts.md.

    Args:
        domain: the type that it is over; by default the annotation of ``x``. cost: milliseconds of
            one evaluation of one particle. citation: its source.

    Raises:
        PoeError: the name is taken (P0203), a method is missing (P0207), or an annotation is
            missing or is no type of the language (P0208).
    """
    return decorate("expert", target, options)


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

    It takes particles (L, ...) and returns the reward of each, (L,). Images and videos have values
    in [0, 1].

    Args:
        gradient: whether it is differentiable in ``x`` by torch, so that kernels can use its
            gradient.
        domain, cost, citation: as of `expert`.

    Raises:
        PoeError: as of `expert`.
    """
    return decorate("reward", target, options)


@overload
def source(target: T, /) -> T: ...
@overload
def source(*, cost: float = 0.0, citation: str = "") -> Callable[[T], T]: ...
def source(target: Any = None, /, **options: Any) -> Any:
    """Make a source of a function, which is called once in a run.

    Its return annotation is a type of the language, or ``poedsl.Record(depth=poedsl.Depth, ...)``
    for a dictionary.

    Args:
        cost, citation: as of `expert`.

    Raises:
        PoeError: as of `expert`.
    """
    return decorate("source", target, options)


@overload
def model(target: T, /) -> T: ...
@overload
def model(*, cost: float = 0.0, citation: str = "") -> Callable[[T], T]: ...
def model(target: Any = None, /, **options: Any) -> Any:
    """Make an expert of a model of Pyro's, a function that calls `pyro.sample`.

    The expert is over the concatenation of its latent sites, in the order in which they are
    sampled and each in the unconstrained coordinates of Pyro's bijection to its support.
    Parameters without an annotation are numbers of any shape.

    Args:
        cost, citation: as of `expert`.

    Raises:
        PoeError: as of `expert`.
    """
    return decorate("model", target, options)


def decorate(kind: Kind, target: Any, options: Mapping[str, Any]) -> Any:
    """Register a function or class; the decorator where no target is given.

    Raises:
        PoeError: no signature can be inferred.
        TypeError: it is no function or class, or there is no such option.
    """
    unknown = sorted(options.keys() - set(OPTIONS[kind]))
    if unknown and not registry.REGISTRY.running_file:
        raise TypeError(f"poedsl.{kind} has no option {unknown[0]!r}")

    def register(target: Any) -> Any:
        if not isinstance(target, type) and not inspect.isfunction(inspect.unwrap(target)):
            raise TypeError(f"poedsl.{kind} decorates a function or a class, not {target!r}")
        file, line = source_location(target)
        definition = definition_of(kind, target, options, shown(Path(file)), line)
        reference = reference_to(target, file)
        try:
            if unknown:
                raise DefinitionError("P0208", f"poedsl.{kind} has no option {unknown[0]!r}")
            signature = infer_signature(definition, str(reference))
        except DefinitionError as error:
            registry.REGISTRY.refuse(target, file, error)
        else:
            registry.REGISTRY.add(UserCode(signature, target, file, line, kind=kind))
        return target

    return register if target is None else register(target)


def code_with_arguments(
    target: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> UserCode:
    """A model of Pyro's with all of its arguments, without registering it.

    Args:
        name: in programs. args, kwargs: of the model.

    Raises:
        DefinitionError: the name is taken (P0203).
    """
    file, line = source_location(target)
    doc = target.__doc__ or ""
    definition = Definition("model", name, doc, PythonFunction(line=line), file=shown(Path(file)))
    signature = infer_signature(definition, str(reference_to(target, file)))
    return UserCode(signature, target, file, line, kind="model", args=args, kwargs=kwargs)
