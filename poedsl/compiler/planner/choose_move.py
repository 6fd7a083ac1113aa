"""Which move takes particles from one distribution of the path to the next."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.options import filled_form, form_name
from poedsl.compiler.plan.terms import Apply, Term
from poedsl.compiler.planner.product import Choice, Product

#: The probability flow without arguments; a run takes those that are left out at their defaults.
ODE = Apply("ode")


def choose_move(product: Product, options: Mapping[str, Term]) -> Choice:
    if product.sequential:
        return Apply("none"), "a prefix grows by what the experts propose"
    if form_name(options["path"]) == "temper":
        return Apply("none"), "between tempered densities only the weights and the kernel act"
    if reason := product.nonconservative:
        return ODE, f"{reason}: the scores are no density's, and nothing is weighed"
    return filled_form("move", "sde"), "fresh noise at every move keeps particles apart"
