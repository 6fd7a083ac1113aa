"""Which importance weights: for the path itself, and for rewards along it."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.options import filled_form, form_constants, form_name
from poedsl.compiler.plan.terms import Apply, Term
from poedsl.compiler.planner.product import Choice, Product


def choose_correct(product: Product, options: Mapping[str, Term]) -> Choice:
    move = options["move"]
    if product.nonconservative:
        return Apply("none"), "a field of scores has no density to weigh by"
    if product.extension == "symbols":
        return Apply("ais"), "the normaliser of each proposal is its weight"
    if product.extension in ("densities", "draws"):
        return Apply("ais"), "the conditionals of those that do not propose are the weight"
    if product.closed_form and has_transition_density(move):
        return Apply("ais"), "densities are known: exact ratios, and an unbiased evidence"
    if form_name(move) == "none":
        return Apply("none"), "nothing moves and no density is known"
    if product.latent and not is_controlled(move):
        return Apply("none"), "path weights in so many components would leave one particle"
    correct = filled_form("correct", "fkc")
    return correct, "the product of noised marginals is not the noised product"


def choose_potential(product: Product, options: Mapping[str, Term]) -> Choice:
    return Apply("difference"), "counts each reward once"


def has_transition_density(move: Term) -> bool:
    """Whether forward and backward transition densities of a move are available, which exact
    ratios need.
    """
    if form_name(move) == "none":
        return True
    own_noise = form_constants(move).get("noise") == 1
    return form_name(move) == "sde" and own_noise and not is_controlled(move)


def is_controlled(move: Term) -> bool:
    return form_constants(move).get("control") is True
