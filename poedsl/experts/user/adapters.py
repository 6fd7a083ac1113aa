"""User code as the runtime calls it: batches in, checked tensors out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from poedsl.catalog.references import shown
from poedsl.catalog.signatures import Returned
from poedsl.experts.protocol import Noised, Reward, State
from poedsl.experts.user.decorators import Code, failures
from poedsl.grammar.diagnostics import Diagnostic
from poedsl.grammar.errors import PoeError
from poedsl.grammar.types import SYMBOLS, TEXT


class UserFlow:
    """A class of a user's with noised marginals, as a `Generative` on flattened components.

    Its methods see particles (L, *shape) of x_t = alpha x_1 + sigma eps, or of (1 - s) x_1 + s eps
    for ``velocity``, whose value is E[eps - x_1 | x_t]; pictures and films in [-1, 1].

    Args:
        arguments: of ``__init__``, by name. shape: of one particle.

    Raises:
        PoeError: its ``__init__`` fails.
    """

    calls_per_evaluation = 1
    inference_mode = False

    def __init__(
        self,
        code: Code,
        arguments: Mapping[str, Any],
        shape: tuple[int, ...],
        device: torch.device,
    ) -> None:
        self.code = code
        self.shape = shape
        self.made = _made(code, arguments, device)
        own = vars(code.target)
        self.method = next(m for m in ("velocity", "score", "log_prob") if m in own)
        self.has_density = "noised" in code.signature.capabilities
        self.terminal = self.has_density

    def endpoint_precision(self, alpha: float, sigma: float) -> float:
        """As if its data had variance one."""
        return 1 + alpha**2 / sigma**2

    def noised(self, x: Float[Tensor, "L D"], alpha: float, sigma: float) -> Noised:
        if self.method == "velocity":
            s, z = sigma / (alpha + sigma), x / (alpha + sigma)
            noise = z + (1 - s) * self.called("velocity", z, s)
            return Noised(-noise / sigma)
        if self.method == "score":
            density = self.log_density(x, alpha, sigma) if self.has_density else None
            return Noised(self.called("score", x, alpha, sigma), density)
        follows = x.requires_grad
        with torch.enable_grad():
            point = x if follows else x.detach().requires_grad_()
            density = self.log_density(point, alpha, sigma)
            _differentiable(density, point, "log_prob", self.code)
            (score,) = torch.autograd.grad(density.sum(), point, create_graph=follows)
        return Noised(score, density if follows else density.detach())

    def log_density(
        self, x: Float[Tensor, "L D"], alpha: float, sigma: float
    ) -> Float[Tensor, " L"]:
        points = x.reshape(-1, *self.shape)
        value = called(self.code, self.made.log_prob, points, alpha, sigma)
        return _numbers(value, points, self.code, "log_prob")

    def called(self, method: str, x: Float[Tensor, "L D"], *at: float) -> Float[Tensor, "L D"]:
        """A method that answers with a number for each component."""
        points = x.reshape(-1, *self.shape)
        value = _tensor(called(self.code, getattr(self.made, method), points, *at), x, self.code)
        if value.shape != points.shape:
            raise unfit(
                self.code,
                f"returned shape {list(value.shape)} from `{method}` for {len(x)} particles; it "
                f"returns one number a component, {list(points.shape)}",
            )
        return value.reshape(x.shape)


class UserSequence:
    """A class of a user's with ``extend(self, prefix)``, as a `Sequential`.

    Its method sees the symbols so far, (L, k) whole numbers, and returns the logs of the
    probabilities of the next one, (L, V).

    Args:
        arguments: of ``__init__``, by name.

    Raises:
        PoeError: its ``__init__`` or its method fails.
    """

    def __init__(self, code: Code, arguments: Mapping[str, Any], device: torch.device) -> None:
        self.code = code
        self.made = _made(code, arguments, device)
        self.device = device
        self.vocabulary = self.begin(1)[1].shape[-1]

    def begin(self, count: int) -> tuple[State, Float[Tensor, "{count} V"]]:
        prefix = torch.zeros(count, 0, dtype=torch.long, device=self.device)
        return (prefix,), self.extended(prefix)

    def read(
        self, state: State, symbols: Int[Tensor, "L m"]
    ) -> tuple[State, Float[Tensor, "L m V"]]:
        (prefix,) = state
        logs = []
        for symbol in symbols.unbind(1):
            prefix = torch.cat([prefix, symbol[:, None]], 1)
            logs.append(self.extended(prefix))
        return (prefix,), torch.stack(logs, 1)

    def extended(self, prefix: Int[Tensor, "L k"]) -> Float[Tensor, "L V"]:
        like = torch.zeros((), device=self.device)
        value = _tensor(called(self.code, self.made.extend, prefix), like, self.code)
        if value.dim() != 2 or len(value) != len(prefix):
            raise unfit(
                self.code,
                f"returned shape {list(value.shape)} from `extend` for {len(prefix)} prefixes; it "
                f"returns log-probabilities of the next symbol, [{len(prefix)}, V]",
            )
        total = value.logsumexp(-1)
        if not bool((total.abs() < 1e-3).all()):
            raise unfit(
                self.code,
                "returned numbers from `extend` that are no logs of probabilities: they sum to "
                f"{float(total.exp().max()):.3g}, not to 1; `torch.log_softmax` makes them so",
            )
        return value


class UserSections:
    """A class of a user's with ``extend(self, prefix, noise)``, as a `Sectional`.

    Its method sees the sections so far, (L, k, *rest), and standard normals (L, *rest), and returns
    the next section (L, *rest); ``log_prob(self, prefix)``, where it has one, log p of what it
    sees, (L,). Values are as the variable has them.

    Args:
        arguments: of ``__init__``, by name.

    Raises:
        PoeError: its ``__init__`` or a method fails.
    """

    def __init__(self, code: Code, arguments: Mapping[str, Any], device: torch.device) -> None:
        self.code = code
        self.made = _made(code, arguments, device)
        self.has_density = "log_prob" in code.signature.capabilities

    def extend(
        self, prefix: Float[Tensor, "L k *rest"], noise: Float[Tensor, "L *rest"]
    ) -> Float[Tensor, "L *rest"]:
        value = _tensor(called(self.code, self.made.extend, prefix, noise), noise, self.code)
        if value.shape != noise.shape:
            raise unfit(
                self.code,
                f"returned shape {list(value.shape)} from `extend` for {len(noise)} prefixes; it "
                f"returns the next section of each, {list(noise.shape)}",
            )
        return value

    def log_prob(self, prefix: Float[Tensor, "L k *rest"]) -> Float[Tensor, " L"]:
        value = _numbers(called(self.code, self.made.log_prob, prefix), prefix, self.code)
        _differentiable(value, prefix, "log_prob", self.code)
        return value


def judge(code: Code, arguments: Mapping[str, Any], device: torch.device) -> Reward:
    """A reward, or log p of a density, of particles (L, *shape): one number each, (L,).

    Raises:
        PoeError: it fails, or returns anything else; also where it is called.
    """
    target: Any
    if isinstance(code.target, type):
        made = _made(code, arguments, device)
        target, given = (made.log_prob if code.signature.family == "density" else made), {}
    else:
        target, given = code.target, _arguments(code, arguments)

    domain = code.signature.domain
    symbols = domain is not None and domain.name in SYMBOLS

    def read(texts: list[str]) -> Float[Tensor, " L"]:
        like = torch.zeros(len(texts), device=device)
        return _numbers(called(code, target, texts, **given), like, code)

    if domain == TEXT:
        read.reads = True  # type: ignore[attr-defined]
        return read  # type: ignore[return-value]

    def judged(x: Shaped[Tensor, "L ..."]) -> Float[Tensor, " L"]:
        x = x.long() if symbols else x
        value = _numbers(called(code, target, x, **given), x, code)
        if "gradient" in code.signature.capabilities:
            _differentiable(value, x, "", code)
        return value

    return judged


def returned(code: Code, arguments: Mapping[str, Any], device: torch.device) -> Any:
    """What a source gives: a value of its type, or a dictionary of them; numbers as tensors.

    Raises:
        PoeError: it fails, or returns anything else.
    """
    if isinstance(code.target, type):
        value = called(code, _made(code, arguments, device))
    else:
        value = called(code, code.target, **_arguments(code, arguments))
    fields = {r.name: r for r in code.signature.returns}
    if "" in fields:
        return _field(code, fields[""], value, arguments, device)
    if not isinstance(value, Mapping) or fields.keys() - value.keys():
        what = f"keys {', '.join(map(str, value))}" if isinstance(value, Mapping) else _kind(value)
        raise unfit(code, f"returned {what}; it returns a dictionary with {', '.join(fields)}")
    return {n: _field(code, r, value[n], arguments, device) for n, r in fields.items()}


def _field(
    code: Code,
    returns: Returned,
    value: Any,
    arguments: Mapping[str, Any],
    device: torch.device,
) -> Any:
    if returns.type in ("Layout", "Text", "Region", "File"):
        return value
    numbers = _tensor(value, torch.zeros((), device=device), code)
    wanted = [_size(s, arguments) for s in returns.sizes]
    pairs = list(zip(numbers.shape, wanted, strict=False))
    if numbers.dim() != len(wanted) or any(w is not None and n != w for n, w in pairs):
        name = f" as `{returns.name}`" if returns.name else ""
        sizes = ", ".join("_" if s is None else str(s) for s in wanted)
        raise unfit(
            code,
            f"returned shape {list(numbers.shape)}{name}; it returns {returns.type}, [{sizes}]",
        )
    return numbers


def _size(size: int | str | None, arguments: Mapping[str, Any]) -> int | None:
    """A size that an argument says, where it does."""
    if not isinstance(size, str):
        return size
    name, _, element = size.partition(".")
    value = arguments.get(name)
    if element:
        value = value[int(element)] if value is not None and int(element) < len(value) else None
    return None if value is None else int(value)


# Calls.


def _arguments(code: Code, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as user code takes them: layouts as lists of ``{"box": ..., "text": ...}``."""
    layouts = {p.name for p in code.signature.parameters if p.type and p.type.name == "Layout"}
    return {
        name: [{"box": list(box), "text": text} for box, text in value]
        if name in layouts and isinstance(value, tuple)
        else value
        for name, value in arguments.items()
    }


def _made(code: Code, arguments: Mapping[str, Any], device: torch.device) -> Any:
    """The object of a class, on the device where it is a torch module."""
    made = called(code, code.target, **_arguments(code, arguments))
    return made.to(device) if isinstance(made, torch.nn.Module) else made


def called(code: Code, target: Any, *args: Any, **kwargs: Any) -> Any:
    with failures(f"`{code.target.__name__}`", code.file):
        return target(*args, **kwargs)


def _tensor(value: Any, like: Tensor, code: Code) -> Tensor:
    """What user code returned, as numbers of the kind and on the device of another tensor."""
    kind = like.dtype if like.is_floating_point() else torch.float32
    try:
        return torch.as_tensor(value).to(device=like.device, dtype=kind)
    except (TypeError, ValueError, RuntimeError) as error:
        raise unfit(code, f"returned {_kind(value)}, which is no tensor of numbers") from error


def _kind(value: object) -> str:
    return "nothing" if value is None else f"a value of type {type(value).__name__}"


def _numbers(value: Any, x: Tensor, code: Code, method: str = "") -> Float[Tensor, " L"]:
    numbers = _tensor(value, x, code)
    if numbers.shape != (len(x),):
        by = f" from `{method}`" if method else ""
        raise unfit(
            code,
            f"returned shape {list(numbers.shape)}{by} for {len(x)} particles; it returns one "
            f"number a particle, [{len(x)}]",
        )
    return numbers


def _differentiable(value: Tensor, x: Tensor, method: str, code: Code) -> None:
    """Whether a gradient with respect to particles can be taken, where one will be."""
    if x.requires_grad and torch.is_grad_enabled() and not value.requires_grad:
        by = f" from `{method}`" if method else ""
        raise unfit(
            code,
            f"returned numbers{by} without a gradient; it computes them from the particles by "
            "torch, without `detach` or `no_grad`; to what is the same everywhere it adds "
            "`0 * x.sum(-1)`",
        )


def unfit(code: Code, message: str) -> PoeError:
    name = f"{code.target.__name__} at {shown(Path(code.file))}:{code.line}"
    return PoeError((Diagnostic("P0708", f"{name} {message}"),))
