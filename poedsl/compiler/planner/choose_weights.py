"""Which importance weights: for the path itself, and for rewards along it."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_values import filled_form, form_constants, form_name
from poedsl.compiler.plan.terms import Apply, Term
from poedsl.compiler.planner.choose_path import places_stages
from poedsl.compiler.planner.product import Choice, PlannedProduct


def choose_correct(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    move = options["move"]
    if product.nonconservative:
        return Choice(
            Apply("none"), "importance weights need a log density, and these scores have none"
        )
    if product.guided:
        reason = f"importance weights need noised densities, and {product.guided} is guided"
        return Choice(Apply("none"), reason)
    if product.extension == "symbols":
        return Choice(
            Apply("ais"), "the normalizing constant of each proposal is its importance weight"
        )
    if product.extension in ("densities", "draws"):
        return Choice(
            Apply("ais"), "the importance weight is the product of the other experts' conditionals"
        )
    if product.closed_form and has_transition_density(move):
        quality = "consistent" if places_stages(options["path"]) else "unbiased"
        reason = f"log densities are available, so that the evidence is {quality}"
        return Choice(Apply("ais"), reason)
    if form_name(move) == "none":
        return Choice(Apply("none"), "there is no move to correct, and no log density is available")
    if product.latent and not is_controlled(move):
        return Choice(
            Apply("none"),
            "importance weights in so many dimensions would leave one particle with weight",
        )
    return Choice(
        filled_form("correct", "fkc"),
        "the product of the noised marginals is not the noised product, which weights correct",
    )


def choose_potential(product: PlannedProduct, options: Mapping[str, Term]) -> Choice:
    return Choice(Apply("difference"), "every reward is counted exactly once")


def has_transition_density(move: Term) -> bool:
    """Whether forward and backward transition densities of a move are available, which exact
    ratios need.
    """
    if form_name(move) == "none":
        return True
    path_noise = form_constants(move).get("noise") == 1
    return form_name(move) == "sde" and path_noise and not is_controlled(move)


def is_controlled(move: Term) -> bool:
    return form_constants(move).get("control") is True
