"""The settings under which a plan's results are approximate, or have no evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from poedsl.compiler.plan.option_forms import Form, OptionArgument
from poedsl.compiler.plan.option_values import form_constants, form_name
from poedsl.compiler.plan.options import OPTIONS
from poedsl.compiler.plan.plan import PlanSpec


@dataclass(frozen=True, slots=True)
class Setting:
    """A form that an option has, or an argument of it that differs from its default."""

    option: str
    form: Form
    argument: OptionArgument | None = None

    @property
    def approximate(self) -> str:
        """Why results are approximate, however many particles there are; empty where not."""
        return (self.argument or self.form).approximate

    @property
    def biased(self) -> str:
        """Why there is no evidence; empty where there is."""
        return (self.argument or self.form).biased

    @property
    def data(self) -> dict[str, str]:
        """The option, its form, and the argument if it is one, by name."""
        named = {"option": self.option, "form": self.form.name}
        return named if self.argument is None else named | {"argument": self.argument.name}

    def __str__(self) -> str:
        argument = "" if self.argument is None else f"{self.argument.name} = ..."
        return f"{self.option} = {self.form.name}({argument})"


def approximations(plan: PlanSpec) -> list[Setting]:
    return [setting for setting in _settings(plan) if setting.approximate]


def biases(plan: PlanSpec) -> list[Setting]:
    return [setting for setting in _settings(plan) if setting.biased]


def approximation_notes(plan: PlanSpec) -> tuple[str, ...]:
    """Notes on approximations that arguments ask for, whoever set them."""
    return tuple(
        f"{setting} is approximate: {setting.approximate}"
        for setting in approximations(plan)
        if setting.argument is not None
    )


def _settings(plan: PlanSpec) -> Iterator[Setting]:
    for chosen in plan.options:
        form = OPTIONS[chosen.name].form(form_name(chosen.value))
        if form is None:
            continue
        yield Setting(chosen.name, form)
        constants = form_constants(chosen.value)
        for argument in form.arguments:
            if constants.get(argument.name, argument.default) != argument.default:
                yield Setting(chosen.name, form, argument)
