"""What a reward has to be: with a value for these inputs, and with a gradient or without."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from poedsl.compiler.plan.plan import PlanSpec
from poedsl.compiler.plan.plan_parts import FactorSpec
from poedsl.compiler.plan.terms import Apply
from poedsl.runtime.build.likelihoods import shapes_of_data
from poedsl.runtime.targets.constraint_and_reward_potentials import RewardFactor
from poedsl.runtime.terms.evaluate import Environment
from poedsl.runtime.terms.refusals import refused


def no_reward(x: Tensor) -> Tensor:
    """In place of a network, where only the shapes around it are of interest."""
    return x.new_zeros(len(x))


def weighing_only(reward: RewardFactor) -> RewardFactor:
    """A reward that only weighs, as every potential but differences has it."""
    return replace(reward, differentiable=reward.differentiable and reward.kind == "where")


def inequalities(term: object) -> bool:
    """Whether a condition is made of inequalities, as `margins` reads them."""
    match term:
        case Apply("not" | "all" | "any", (inner, *_)):
            return inequalities(inner)
        case Apply("and" | "or" | "list", args):
            return all(map(inequalities, args))
        case Apply(function):
            return function in ("<", "<=", ">", ">=")
        case _:
            return False


def try_out(reward: RewardFactor, factor: FactorSpec, plan: PlanSpec, env: Environment) -> None:
    """Evaluate a reward once, its networks left out, where names stand for what ``env`` has.

    Raises:
        PoeError: it has no value for these inputs.
    """
    at = replace(env, rewards=dict.fromkeys(env.rewards, no_reward))
    try:
        reward.log_value(at)
    except (ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        message = f"this has no value for these inputs: {reason}"
        notes = shapes_of_data(factor, plan, env)
        raise refused("P0603", message, *notes, factor=factor) from error
