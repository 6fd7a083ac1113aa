"""A model of Pyro's as a density over its latent sites, side by side on the real line."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyro
import torch
from jaxtyping import Float
from pyro import poutine
from pyro.distributions import SineBivariateVonMises, SineSkewed
from pyro.poutine.messenger import Messenger
from pyro.poutine.runtime import _DIM_ALLOCATOR
from pyro.poutine.util import site_is_subsample
from torch import Tensor
from torch.distributions import biject_to

from poedsl.experts.user.calls import call, unfit
from poedsl.experts.user.registry import UserCode
from poedsl.grammar.errors import PoeError

#: Distributions over angles, whose support in torch is the real line.
CIRCULAR = (torch.distributions.VonMises, SineBivariateVonMises, SineSkewed)

#: Runs of a model, one of which has parameters inside their ranges.
TRIED = 20


@dataclass(frozen=True, slots=True)
class Slot:
    """The position of a latent site in a point, and its shape in unconstrained coordinates."""

    part: slice
    shape: tuple[int, ...]


class PyroExpert:
    """Log of the joint density of a model and its data, as a function of its latent sites.

    A point holds the sites in the order in which the model samples them, each in the coordinates of
    Pyro's bijection onto its support; the density counts the Jacobian, so that its integral over
    all points is that of the model over its sites.

    Args:
        arguments: of the model, by name, beside those that the code has.

    Attributes:
        slots: of the latent sites. size: how many numbers a point has.
        batched: whether torch can run the model on many points at once; else one by one.

    Raises:
        PoeError: the model fails, or has a site that is not continuous, or has no density on the
            real line, or none.
    """

    def __init__(self, code: UserCode, arguments: Mapping[str, Any], device: torch.device) -> None:
        self.code = code
        args = [_on(device, value) for value in code.args]
        kwargs = {name: _on(device, value) for name, value in code.kwargs.items()}
        self.model = partial(code.target, *args, **kwargs, **arguments)
        self.slots = dict(self._slots())
        self.size = sum(s.part.stop - s.part.start for s in self.slots.values())
        if not self.size:
            raise unfit(code, "has no latent site: nothing is left to sample")
        self.batched = True
        self.batched = self._runs_batched(device)

    def __call__(self, x: Float[Tensor, "L D"]) -> Float[Tensor, " L"]:
        """NaN where a matrix of the model's cannot be factored, which ends it for all points of a
        call: such points are found by halves.
        """
        try:
            log_density: Tensor = self._each(self._log_density, x)
        except PoeError as error:
            if not _unfactored(error):
                raise
            if len(x) == 1:
                return x.sum(1) * math.nan
            half = len(x) // 2
            return torch.cat((self(x[:half]), self(x[half:])))
        return log_density

    def sites(self, x: Float[Tensor, "L D"]) -> dict[str, Tensor]:
        """Each latent and each deterministic site by its name, (L, ...), in its own units."""
        with torch.no_grad():
            values: dict[str, Tensor] = self._each(self._values, x)
        return values

    def draws(self, count: int) -> Float[Tensor, "{count} D"]:
        """Points as the model draws them by torch's own generator, whatever it observes."""
        with _alone():
            return torch.stack([self._draw() for _ in range(count)])

    def _draw(self) -> Float[Tensor, " D"]:
        """A point; NaN where an intermediate matrix is not positive definite."""
        try:
            point: Tensor = call(self.code, self._drawn)
        except PoeError as error:
            if not _unfactored(error):
                raise
            return torch.full((self.size,), math.nan, dtype=torch.float32, device="cpu")
        return point

    def _drawn(self) -> Float[Tensor, " D"]:
        nodes = poutine.trace(self.model).get_trace().nodes
        free = [biject_to(nodes[n]["fn"].support).inv(nodes[n]["value"]) for n in self.slots]
        return torch.cat([f.flatten().float() for f in free])

    def _each(self, function: Callable[[Tensor], Any], x: Float[Tensor, "L D"]) -> Any:
        """A function of points at each row."""
        with _alone():
            if self.batched:
                return call(self.code, torch.func.vmap(function), x)
            rows = [call(self.code, function, row) for row in x]
        if isinstance(rows[0], Mapping):
            return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
        return torch.stack(rows)

    def _traced(self, point: Float[Tensor, " D"]) -> tuple[Any, Tensor]:
        """The model with its sites at a point, and log |det| of what put them there."""
        with _Placed(self.code, self.slots, point) as placed:
            trace = poutine.trace(self.model).get_trace()
        if missing := sorted(self.slots.keys() - trace.nodes.keys()):
            raise unfit(self.code, _changing(missing[0]))
        return trace, placed.log_det

    def _log_density(self, point: Float[Tensor, " D"]) -> Float[Tensor, ""]:
        trace, log_det = self._traced(point)
        log_density = trace.log_prob_sum() + log_det
        finite = [torch.isfinite(trace.nodes[n]["value"]).all() for n in self.slots]
        return torch.where(torch.stack(finite).all(), log_density, -math.inf).to(point.dtype)

    def _values(self, point: Float[Tensor, " D"]) -> dict[str, Tensor]:
        trace, _ = self._traced(point)
        return {
            name: node["value"]
            for name, node in trace.nodes.items()
            if name in self.slots or node.get("infer", {}).get("_deterministic")
        }

    def _slots(self) -> Iterator[tuple[str, Slot]]:
        """A place for each latent site, as one run of the model has them."""
        trace = self._first_trace()
        start = 0
        for name, node in trace.nodes.items():
            if node["type"] != "sample" or node["is_observed"]:
                continue
            if site_is_subsample(node):
                if len(node["value"]) < node["fn"].size:
                    raise unfit(self.code, f"sees a part of its data at the plate `{name}`")
                continue
            shape = self._free(name, node)
            yield name, Slot(slice(start, start + math.prod(shape)), shape)
            start += math.prod(shape)

    def _first_trace(self) -> Any:
        """One run of the model; some draws may have parameters that are out of range."""
        for seed in range(TRIED):
            with _alone(checked=True), torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                try:
                    return call(self.code, poutine.trace(self.model).get_trace)
                except PoeError as error:
                    if seed == TRIED - 1 or not isinstance(error.__cause__, ValueError):
                        raise

    def _free(self, name: str, node: Mapping[str, Any]) -> tuple[int, ...]:
        """The shape of a site on the real line."""
        support = node["fn"].support
        if support.is_discrete or not node["value"].is_floating_point():
            raise unfit(
                self.code,
                f"samples `{name}`, which is discrete; such models have continuous sites, and sum "
                "over others themselves",
            )
        layers = list(_layers(node["fn"]))
        if any(isinstance(layer, CIRCULAR) for layer in layers):
            reason = f"samples `{name}`, an angle; that has no density on the real line"
            raise unfit(self.code, reason)
        masks = [node["mask"], *(getattr(layer, "_mask", None) for layer in layers)]
        if not all(
            mask is None or bool(torch.as_tensor(mask, device="cpu").all()) for mask in masks
        ):
            reason = f"samples `{name}` under a mask, which leaves a part of it without a density"
            raise unfit(self.code, reason)
        try:
            return tuple(biject_to(support).inverse_shape(node["value"].shape))
        except NotImplementedError:
            reason = f"samples `{name}`, from whose support Pyro has no way to the real line"
            raise unfit(self.code, reason) from None

    def _runs_batched(self, device: torch.device) -> bool:
        """Whether two points at once come out as they do one by one."""
        points = torch.tensor([[0.1], [-0.2]], dtype=torch.float32, device=device).expand(
            2, self.size
        )
        with _alone():
            single = torch.stack([call(self.code, self._log_density, p) for p in points])
        try:
            return torch.allclose(self(points), single, rtol=1e-4, atol=1e-4, equal_nan=True)
        except Exception:
            return False


class _Placed(Messenger):  # type: ignore[misc]
    """Puts every latent site where a point has it."""

    def __init__(self, code: UserCode, slots: Mapping[str, Slot], point: Tensor) -> None:
        super().__init__()
        self.code, self.slots, self.point = code, slots, point
        self.log_det = point.new_zeros(())

    def _pyro_sample(self, msg: Any) -> None:
        if msg["is_observed"] or site_is_subsample(msg):
            return
        slot = self.slots.get(msg["name"])
        if slot is None:
            raise unfit(self.code, _changing(msg["name"]))
        bijection, free = biject_to(msg["fn"].support), self.point[slot.part].reshape(slot.shape)
        msg["value"], msg["done"] = bijection(free), True
        log_det = bijection.log_abs_det_jacobian(free, msg["value"])
        self.log_det = self.log_det + log_det.sum()


def _layers(distribution: Any) -> Iterator[Any]:
    """A distribution, and what it expands, masks, transforms or takes as one event."""
    while distribution is not None:
        yield distribution
        distribution = getattr(distribution, "base_dist", None)


def _on(device: torch.device, value: Any) -> Any:
    return value.to(device) if isinstance(value, Tensor) else value


def _unfactored(error: PoeError) -> bool:
    """Whether user code failed by a matrix that is not positive definite."""
    return isinstance(error.__cause__, torch.linalg.LinAlgError)  # type: ignore[attr-defined]


def _changing(name: str) -> str:
    return f"does not always sample `{name}`; such models have the same sites whatever their values"


@contextmanager
def _alone(*, checked: bool = False) -> Iterator[None]:
    """Handlers around do not see the sites inside, and plates around take no dimension from those
    inside.

    Args:
        checked: whether Pyro checks parameters and values, which it cannot on many points at once.
    """
    around, _DIM_ALLOCATOR._stack = _DIM_ALLOCATOR._stack, []
    try:
        with poutine.block(), pyro.validation_enabled(checked):
            yield
    finally:
        _DIM_ALLOCATOR._stack = around
