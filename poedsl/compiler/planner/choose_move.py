"""Which move takes particles from one distribution of the path to the next."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_values import filled_form, form_name
from poedsl.compiler.plan.terms import Apply, Const, Term
from poedsl.compiler.planner.product import Choice, PlannedProduct

#: The probability flow without arguments; a run takes those that are left out at their defaults.
ODE = Apply("ode")


def choose_move(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    if product.sequential:
        return Choice(Apply("none"), "the experts themselves propose the extension of a prefix")
    if form_name(options["path"]) == "temper":
        return Choice(
            Apply("none"), "tempered densities are connected by the weights and the kernel alone"
        )
    if reason := product.nonconservative:
        return Choice(ODE, f"{reason}, so that the scores are not the gradient of a log density")
    if product.reweighted_scores and form_name(options.get("correct", Apply("fkc"))) == "fkc":
        return Choice(
            filled_form("move", "sde", {"control": Const(True)}),
            "exponents other than one make weights uneven, which a control drift evens out",
        )
    return Choice(
        filled_form("move", "sde"), "fresh noise in every move separates duplicate particles"
    )
