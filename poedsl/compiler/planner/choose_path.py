"""Which annealing path: from noise, by prefixes, or by tempering."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_forms import KernelRow
from poedsl.compiler.plan.option_values import argument, filled_form, form_name
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.product import Choice, PlannedProduct

#: Paths without arguments; a run takes those that are left out at their defaults.
FLOW, PREFIX, TEMPER = Apply("flow"), Apply("prefix"), Apply("temper")

#: What options other than `path` may be under tempering.
TEMPERED = (
    ("move", ("none",)),
    (
        "kernel",
        tuple(k.name for k in OPTIONS["kernel"].forms if isinstance(k, KernelRow) and k.adjusted),
    ),
    ("correct", ("ais",)),
    ("potential", ("difference",)),
)


def choose_path(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    if product.sequential:
        return Choice(PREFIX, "every expert can extend a prefix")
    if product.tempering:
        return Choice(TEMPER, product.tempering)
    if product.far and not _needs_noise(options):
        return Choice(TEMPER, product.far)
    if product.raised_mixture is not None:
        arguments = {"base": product.raised_mixture, "ess": Const(None)}
        path = filled_form("path", "temper", arguments)
        return Choice(
            path, "the product is a power of one mixture, from which exact samples can be drawn"
        )
    if product.separated and not _needs_noise(options):
        return Choice(TEMPER, product.separated)
    if len(set(product.paths.values())) > 1:
        paths = tuple((name, Apply(path)) for name, path in product.paths.items())
        return Choice(
            Apply("each", (), paths), "each variable takes the path that its experts support"
        )
    if product.closed_form:
        reason = "the noised marginals of every expert have a closed form, which spaces the stages"
        return Choice(FLOW, reason)
    return Choice(FLOW, "every expert has noised marginals, in closed form or learned")


def places_stages(path: Term) -> bool:
    """Whether a path places its stages by the particles as it goes."""
    return form_name(path) == "temper" and argument("path", path, "ess") is not None


def _needs_noise(options: Mapping[str, Term]) -> bool:
    """Whether options that the program sets have a meaning only on the path from noise."""
    return any(
        form_name(options[name]) not in ("", *allowed)
        for name, allowed in TEMPERED
        if name in options
    )
