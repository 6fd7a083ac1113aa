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
        return PREFIX, "every expert extends a prefix"
    if product.tempering:
        return TEMPER, product.tempering
    if product.raised_mixture is not None:
        path = filled_form("path", "temper", {"base": product.raised_mixture})
        return path, "a power of one mixture, which is drawn from exactly"
    if len(set(product.paths.values())) > 1:
        each = tuple((name, Apply(path)) for name, path in product.paths.items())
        return Apply("each", (), each), "each variable by what its experts can do"
    how = "in closed form, which also space the stages" if product.closed_form else "learned"
    return FLOW, f"every expert has noised marginals, {how}"
