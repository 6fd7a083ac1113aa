"""What the call of a pipeline of diffusers takes, and how it samples, from the library's sources.

The library is not imported: the file with the class is parsed.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

LIBRARY = "diffusers"
#: Decorators that switch gradients off, and keep the function that they wrap.
_GRADIENT_FREE = ("no_grad", "inference_mode")
#: Parameters of pipelines that make sounds, or films of films.
_NO_PICTURES = ("video", "video_length", "audio_latents")
#: The parameter for the length of a film, and those that only pipelines of films have.
FRAMES = "num_frames"
_OF_FILMS = (FRAMES, "num_videos_per_prompt")
#: Parts of names by which a call changes its network, or keeps values of it from step to step.
_CHANGES = ("attn_proc", "register_forward", "enable_fuser", "kv_cache")
#: A parameter by which a call keeps no values from step to step.
CACHES = "use_kv_cache"
_CLASS = re.compile(r"^class (\w+)\(", re.MULTILINE)
_Loop = ast.For | ast.While


@dataclass(frozen=True, slots=True)
class CallParameter:
    """A parameter of a call as it is written.

    Attributes:
        kinds: the members of its annotation, such as ``str`` and ``None``.
        default: its default; None where it is `None` or nothing that can be read.
        required: whether there is none.
    """

    name: str
    kinds: frozenset[str]
    default: object = None
    required: bool = False


@dataclass(frozen=True, slots=True)
class PipelineCall:
    """The call of a pipeline.

    Attributes:
        refusal: why the velocity of its model cannot be had from it; empty where it can.
    """

    kind: str
    parameters: tuple[CallParameter, ...]
    refusal: str

    def parameter(self, name: str) -> CallParameter | None:
        return next((p for p in self.parameters if p.name == name), None)

    @property
    def makes_films(self) -> bool:
        """Whether it makes films, of a length that its caller says."""
        return self.parameter(FRAMES) is not None


def has_library() -> bool:
    """Whether diffusers is installed."""
    return find_spec(LIBRARY) is not None


def pipeline_call(kind: str) -> PipelineCall | None:
    """The call of a class of pipelines of the installed diffusers; None if it has no such class."""
    spec = find_spec(LIBRARY)
    if spec is None or not spec.submodule_search_locations or not kind.isidentifier():
        return None
    return _pipeline_call(kind, Path(spec.submodule_search_locations[0]) / "pipelines")


@lru_cache(maxsize=64)
def _pipeline_call(kind: str, pipelines: Path) -> PipelineCall | None:
    function = _call(kind, pipelines)
    if function is None:
        return None
    arguments = function.args
    positional = arguments.args[1:]
    without = len(positional) - len(arguments.defaults)
    defaults = [*[None] * without, *arguments.defaults, *arguments.kw_defaults]
    listed = zip([*positional, *arguments.kwonlyargs], defaults, strict=True)
    parameters = tuple(_parameter(argument, default) for argument, default in listed)
    return PipelineCall(kind, parameters, _refusal(function, {p.name for p in parameters}))


def _call(kind: str, pipelines: Path) -> ast.FunctionDef | None:
    """The method ``__call__`` of a class, or of the nearest of its bases that has one."""
    definition = _class(kind, pipelines)
    if definition is None:
        return None
    for statement in definition.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__call__":
            return statement
    bases = (b.id for b in definition.bases if isinstance(b, ast.Name))
    functions = (_call(base, pipelines) for base in bases if base != kind)
    return next((function for function in functions if function is not None), None)


def _class(kind: str, pipelines: Path) -> ast.ClassDef | None:
    path = _files(pipelines).get(kind)
    if path is None:
        return None
    statements = ast.parse(path.read_text(encoding="utf-8")).body
    return next(s for s in statements if isinstance(s, ast.ClassDef) and s.name == kind)


@lru_cache(maxsize=2)
def _files(pipelines: Path) -> dict[str, Path]:
    """The file of each class of pipelines."""
    paths = sorted(pipelines.rglob("pipeline_*.py"))
    return {k: p for p in paths for k in _CLASS.findall(p.read_text(encoding="utf-8"))}


def _parameter(argument: ast.arg, default: ast.expr | None) -> CallParameter:
    try:
        value = None if default is None else ast.literal_eval(default)
    except ValueError:
        value = None
    kinds = frozenset(() if argument.annotation is None else _members(argument.annotation))
    return CallParameter(argument.arg, kinds, value, default is None)


def _members(annotation: ast.expr) -> Iterator[str]:
    """The members of a union, ``A | None``, ``Optional[A]`` or ``Union[A, B]``."""
    match annotation:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _members(left)
            yield from _members(right)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=inner):
            yield from _members(inner)
            yield "None"
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=members)):
            for member in members:
                yield from _members(member)
        case ast.Constant(value=str() as text):
            yield text
        case _:
            yield ast.unparse(annotation)


# Whether a call evaluates its network at given points: it has one loop, whose step of the scheduler
# returns the next point.


def _refusal(function: ast.FunctionDef, parameters: set[str]) -> str:
    unsized = _OF_FILMS if FRAMES not in parameters else ()
    other = next((p for p in (*_NO_PICTURES, *unsized) if p in parameters), None)
    if other is not None:
        return f"it makes neither pictures nor films from noise: its call takes `{other}`"
    steps = [n for n in ast.walk(function) if isinstance(n, ast.Call) and _is_step(n)]
    loops = [_loops_around(function, step) for step in steps]
    if not steps or not all(loops):
        return "its call has no loop over the steps of a scheduler"
    if any(len(around) > 1 for around in loops):
        return "its call samples in loops within each other"
    if any(around != loops[0] for around in loops):
        return "its call samples in several loops, one after the other"
    if _switches_gradients_off(function):
        return "its call computes without gradients inside"
    if changed := _changed(function, parameters):
        return f"its call changes its network while it samples, by `{changed}`"
    return _overwritten(loops[0][0], steps) or _started_from(parameters)


def _is_step(call: ast.Call) -> bool:
    match call.func:
        case ast.Attribute(value=scheduler, attr="step"):
            return ast.unparse(scheduler).endswith("scheduler")
        case _:
            return False


def _loops_around(function: ast.FunctionDef, node: ast.AST) -> list[_Loop]:
    loops = (n for n in ast.walk(function) if isinstance(n, _Loop))
    return [loop for loop in loops if any(n is node for n in ast.walk(loop))]


def _switches_gradients_off(function: ast.FunctionDef) -> bool:
    """Whether a context in the body, which nothing unwraps, switches gradients off."""
    contexts = (i for n in ast.walk(function) if isinstance(n, ast.With) for i in n.items)
    return any(name in ast.unparse(i.context_expr) for i in contexts for name in _GRADIENT_FREE)


def _changed(function: ast.FunctionDef, parameters: set[str]) -> str:
    """The name by which a call changes its network, which others share; empty if it does not."""
    parts = [part for part in _CHANGES if part not in CACHES or CACHES not in parameters]
    names = [n.attr for n in ast.walk(function) if isinstance(n, ast.Attribute)]
    names += [n.id for n in ast.walk(function) if isinstance(n, ast.Name)]
    return next((n for n in names if any(part in n for part in parts)), "")


def _overwritten(loop: _Loop, steps: list[ast.Call]) -> str:
    """How the loop changes what a step returned; empty where it does not.

    A change of its type, and values that a callback may have changed, are none.
    """
    returned = {t for a in ast.walk(loop) for t in _targets(a, steps)}
    name = next(iter(returned), "")
    if len(returned) != 1 or not name.isidentifier():
        return "what a step of its scheduler returns is more than one picture, or a part of one"
    last = max((step.lineno, step.col_offset) for step in steps)
    for node in ast.walk(loop):
        if isinstance(node, ast.Assign | ast.AugAssign) and (node.lineno, node.col_offset) > last:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if all(ast.unparse(t) != name for t in targets):
                continue
            if isinstance(node, ast.AugAssign) or not _keeps(node.value, name):
                return f"its call overwrites the result of a step: `{ast.unparse(node)}`"
    return ""


def _targets(node: ast.AST, steps: list[ast.Call]) -> set[str]:
    """What an assignment gives the result of a step to."""
    if not isinstance(node, ast.Assign) or not any(n in steps for n in ast.walk(node.value)):
        return set()
    target = node.targets[0]
    elements = target.elts if isinstance(target, ast.Tuple) else [target]
    return {ast.unparse(element) for element in elements}


def _keeps(value: ast.expr, name: str) -> bool:
    match value:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=owner), attr="to")):
            return owner == name
        case ast.Call(func=ast.Attribute(attr="pop"), args=[ast.Constant(value=key), *_]):
            return bool(key == name)
        case _:
            return False


def _started_from(parameters: set[str]) -> str:
    """Why a picture that sampling starts from is no condition; empty where there is none."""
    if "strength" in parameters and "mask_image" not in parameters:
        return "its picture is only where sampling starts, and no condition of its model"
    return ""
