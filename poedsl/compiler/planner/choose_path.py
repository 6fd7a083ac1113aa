"""Which annealing path: from noise, by prefixes, or by tempering."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.options import filled_form
from poedsl.compiler.plan.terms import Apply, Term
from poedsl.compiler.planner.product import Choice, Product

#: Paths without arguments; a run takes those that are left out at their defaults.
FLOW, PREFIX, TEMPER = Apply("flow"), Apply("prefix"), Apply("temper")


def choose_path(product: Product, options: Mapping[str, Term]) -> Choice:
    if product.sequential:
        return Choice(PREFIX, "every expert can extend a prefix")
    if product.tempering:
        return Choice(TEMPER, product.tempering)
    if product.raised_mixture is not None:
        path = filled_form("path", "temper", {"base": product.raised_mixture})
        return Choice(
            path, "the product is a power of one mixture, from which exact samples can be drawn"
        )
    if len(set(product.paths.values())) > 1:
        paths = tuple((name, Apply(path)) for name, path in product.paths.items())
        return Choice(
            Apply("each", (), paths), "each variable takes the path that its experts support"
        )
    if product.closed_form:
        reason = "the noised marginals of every expert have a closed form, which spaces the stages"
        return Choice(FLOW, reason)
    return Choice(FLOW, "every expert has noised marginals, in closed form or learned")
