"""Values of options: forms with their arguments, at defaults where these are left out."""

from __future__ import annotations

from collections.abc import Mapping

from poedsl.compiler.plan.option_forms import Form, KernelRow
from poedsl.compiler.plan.options import OPTIONS, RESAMPLE_BELOW
from poedsl.compiler.plan.terms import Apply, Const, Term, Value

#: The defaults of arguments that are no constants, by their kinds.
DEFAULTS: dict[str, Term] = {"rule": RESAMPLE_BELOW, "gradient": Apply("backward")}


def filled(form: Form, arguments: Mapping[str, Term]) -> Apply:
    """The form with its left-out arguments at their defaults."""
    kwargs = tuple(
        (a.name, arguments.get(a.name, DEFAULTS.get(a.kind, Const(a.default))))
        for a in form.arguments
    )
    return Apply(form.name, (), kwargs)


def kernel_traits(name: str) -> KernelRow:
    """The row of a kernel, by its name.

    Raises:
        KeyError: there is no such kernel.
    """
    kernel = OPTIONS["kernel"].form(name)
    if not isinstance(kernel, KernelRow):
        raise KeyError(name)
    return kernel


def filled_form(option: str, name: str, arguments: Mapping[str, Term] | None = None) -> Apply:
    """A form of an option by name, with its left-out arguments at their defaults."""
    form = OPTIONS[option].form(name)
    assert form is not None
    return filled(form, arguments or {})


def form_name(value: Term) -> str:
    """The name of the form that an option has; empty for a plain value."""
    return value.function if isinstance(value, Apply) else ""


def form_constants(value: Term) -> dict[str, Value]:
    """The arguments of a form that are constants."""
    arguments = value.kwargs if isinstance(value, Apply) else ()
    return {name: term.value for name, term in arguments if isinstance(term, Const)}


def argument(option: str, value: Term, name: str) -> Value:
    """A constant argument of the form that an option has, at its default where it is left out.

    Raises:
        KeyError: the form has no such argument.
    """
    form = OPTIONS[option].form(form_name(value))
    defaults = {} if form is None else {a.name: a.default for a in form.arguments}
    return form_constants(value).get(name, defaults[name])


def kernel_evaluations(kernel: Term) -> int:
    """K, the evaluations of all experts by a kernel at one stage."""
    arguments = form_constants(kernel)
    row, steps = OPTIONS["kernel"].form(form_name(kernel)), arguments.get("steps")
    if not isinstance(row, KernelRow) or not isinstance(steps, int):
        return 0
    return steps * row.evaluations(arguments)
