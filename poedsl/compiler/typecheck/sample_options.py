"""Types of the options of ``sample``: names, forms and the values of their arguments."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from poedsl.catalog.registry import SIGNATURES
from poedsl.compiler.names.suggestions import similar_name_fix
from poedsl.compiler.plan import terms
from poedsl.compiler.plan.option_forms import KINDS, Form, Option, OptionArgument
from poedsl.compiler.plan.option_values import filled
from poedsl.compiler.plan.options import OPTIONS, RENAMED
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, Value
from poedsl.compiler.typecheck.model_arguments import check_arguments
from poedsl.compiler.typecheck.model_calls import expert_term
from poedsl.compiler.typecheck.scope import TooMuchWork
from poedsl.compiler.typecheck.values import ExpressionChecker
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Source, Span
from poedsl.grammar.traversal import names_in

#: Of numbers up to here, and their inverses, the squares are numbers.
LARGEST = 1e150


def check_option(name: str, value: tree.Expr) -> tuple[Term | None, tuple[Diagnostic, ...]]:
    """Check one option of ``sample`` alone, as the command line passes it."""
    values = ExpressionChecker(Source(""))
    try:
        term = OptionChecker(values).option(name, value, value.span)
    except TooMuchWork as error:
        return None, (error.diagnostic,)
    return term, tuple(values.diagnostics)


@dataclass(frozen=True, slots=True)
class OptionChecker:
    """Checks options with the constants that ``values`` knows, and reports to it."""

    values: ExpressionChecker

    def sample(self, statement: tree.Sample) -> dict[str, tuple[Term, Span]]:
        """The options of a statement that fit, each with its place."""
        first: dict[str, Span] = {}
        for name in statement.names:
            if first.setdefault(name.name, name.span) != name.span:
                labels = (Label(first[name.name], "the first time"),)
                message = f"`{name.name}` is named twice"
                self.values.error("P0504", message, name.span, labels=labels)
        method = statement.method
        options: dict[str, tuple[Term, Span]] = {}
        if method.function.name != "anneal":
            self.values.error(
                "P0502",
                f"there is no method named `{method.function.name}`",
                method.function.span,
                notes=("the method is `anneal(...)`",),
            )
            return options
        option_names: set[str] = set()
        for argument in method.arguments:
            if argument.weight is not None:
                self.weighted("anneal", argument)
            elif argument.name is None:
                self.values.error(
                    "P0501", "an option of `anneal` is given by its name", argument.span
                )
            elif argument.name in option_names:
                self.values.error(
                    "P0501", f"the option `{argument.name}` is given twice", argument.span
                )
            else:
                option_names.add(argument.name)
                term = self.option(argument.name, argument.value, argument.name_span)
                if term is not None:
                    options[argument.name] = term, argument.span
        return options

    def option(self, name: str, value: tree.Expr, name_span: Span) -> Term | None:
        option = OPTIONS.get(name)
        if option is None:
            self.values.error(
                "P0501",
                f"there is no option named `{name}`",
                name_span,
                fixes=_renamed(name, name_span, OPTIONS)
                or similar_name_fix(name, name_span, OPTIONS, "an option"),
                notes=("the options are " + ", ".join(OPTIONS),),
            )
            return None
        if option.forms:
            return self.form(option, value)
        return self.constant(name, option.kind, value)

    def constant(self, name: str, kind: str, value: tree.Expr) -> Term | None:
        typed = self.values.value(value)
        if typed.ok and isinstance(typed.term, Const) and is_kind(typed.term.value, kind):
            return Const(typed.term.value)
        if typed.ok or names_in(value) - set(self.values.environment):
            self.values.error("P0502", f"`{name}` is {KINDS[kind]}", value.span)
        return None

    def form(self, option: Option, value: tree.Expr) -> Term | None:
        name, span = "", value.span
        arguments: tuple[tree.Argument, ...] = ()
        match value:
            case tree.Nothing():
                name = "none"
            case tree.Name():
                name = value.name
            case tree.Call():
                name, span, arguments = value.function.name, value.function.span, value.arguments
        form = option.form(name)
        if form is None:
            self.values.error(
                "P0502",
                f"`{option.name}` is {option.expected}",
                value.span,
                fixes=_renamed(name, span, (forms := [f.name for f in option.forms]))
                or similar_name_fix(name, span, forms, "a form"),
            )
            return None
        return self.form_arguments(form, arguments)

    def form_arguments(self, form: Form, arguments: tuple[tree.Argument, ...]) -> Term | None:
        terms_by_name: dict[str, Term] = {}
        parameters = {a.name: a for a in form.arguments}
        for position, argument in enumerate(arguments):
            if argument.weight is not None:
                self.weighted(form.name, argument)
                return None
            positional = [*parameters][position] if position < len(parameters) else ""
            name = argument.name if argument.name is not None else positional
            if problem := _misplaced(form, name, parameters, terms_by_name):
                self.values.error(
                    "P0501",
                    problem,
                    argument.span,
                    fixes=_renamed(name, argument.name_span, parameters, argument.value.span)
                    or similar_name_fix(name, argument.name_span, parameters, "an argument")
                    if argument.name is not None and name not in parameters
                    else (),
                    notes=(f"its arguments: {', '.join(parameters) or 'none'}",),
                )
                return None
            term = self.form_argument(parameters[name], argument.value)
            if term is None:
                return None
            terms_by_name[name] = term
        return filled(form, terms_by_name)

    def weighted(self, name: str, argument: tree.Argument) -> None:
        self.values.error("P0501", f"an argument of `{name}` has no weight", argument.span)

    def form_argument(self, argument: OptionArgument, value: tree.Expr) -> Term | None:
        if argument.kind == "rule":
            return self.rule(value)
        if argument.kind == "gradient":
            return self.gradient(value)
        if argument.kind == "density":
            return self.density(argument.name, value)
        if argument.kind == "image":
            return self.image(argument.name, value)
        return self.constant(argument.name, argument.kind, value)

    def density(self, name: str, value: tree.Expr) -> Term | None:
        """A density of constants and inputs, every parameter written out; or none."""
        if isinstance(value, tree.Nothing):
            return Const(None)
        before = len(self.values.diagnostics)
        term = self.called(value)
        if term is None and len(self.values.diagnostics) == before:
            self.values.error("P0502", f"`{name}` is {KINDS['density']}", value.span)
        return term

    def called(self, value: tree.Expr) -> Term | None:
        """A call of a density or a mixture; None where it is none, or is not right."""
        if not isinstance(value, tree.Call):
            return None
        if value.function.name == "mixture":
            return self.mixture(value)
        signature = SIGNATURES.get(value.function.name)
        if signature is None or signature.family != "density":
            return None
        names = [p.name for p in signature.parameters]
        if len(value.arguments) > len(names) or any(a.weight for a in value.arguments):
            return None
        pairs = zip(value.arguments, names, strict=False)
        named = tuple(replace(a, name=a.name or parameter) for a, parameter in pairs)
        if {a.name for a in named} - {*names} or len({a.name for a in named}) < len(named):
            return None
        call = replace(value, arguments=named)
        typed = check_arguments(self.values, call, signature)
        if typed is None or any(
            terms.names(t.term) & self.values.variables for t in typed.values()
        ):
            return None
        return expert_term(call, signature, typed)

    def mixture(self, call: tree.Call) -> Term | None:
        """A mixture with its weights, which default to equal ones."""
        parts = [self.called(a.value) for a in call.arguments]
        weights = [a.weight for a in call.arguments]
        values = [1.0 if w is None else self.values.value(w).value for w in weights]
        sizes = [float(v) for v in values if isinstance(v, int | float) and v > 0]
        mixed = len({w is None for w in weights}) > 1
        if not parts or mixed or len(sizes) < len(parts) or any(p is None for p in parts):
            return None
        if any(weights) and abs(sum(sizes) - 1) > 1e-6:
            message = f"the weights of this mixture sum to {sum(sizes):g}, not to 1"
            self.values.error("P0405", message, call.span)
            return None
        shares = (Const(size / sum(sizes)) for size in sizes)
        pairs = zip(shares, parts, strict=True)
        return Apply("mixture", tuple(t for pair in pairs for t in pair if t is not None))

    def image(self, name: str, value: tree.Expr) -> Term | None:
        typed = self.values.value(value)
        if typed.ok and typed.type.name in ("Image", "Video") and isinstance(typed.term, Ref):
            return typed.term
        self.values.error("P0502", f"`{name}` is {KINDS['image']}", value.span)
        return None

    def gradient(self, value: tree.Expr) -> Term | None:
        """How the gradient of a gap between velocities is computed."""
        plain = isinstance(value, tree.Call) and not value.arguments
        name = value.function if plain and isinstance(value, tree.Call) else value
        if isinstance(name, tree.Name) and name.name in ("backward", "forward"):
            return Apply(name.name)
        self.values.error("P0502", f"`gradient` is {KINDS['gradient']}", value.span)
        return None

    def rule(self, value: tree.Expr) -> Term | None:
        """When particles are resampled."""
        match value:
            case tree.Name(name="always"):
                return Ref("always")
            case tree.Binary(op="<", left=tree.Name(name="ess"), right=right):
                limit = self.values.value(right).value
                if is_kind(limit, "positive") and isinstance(limit, (int, float)) and limit <= 1:
                    return Apply("<", (Ref("ess"), Const(float(limit))))
            case tree.Call(function=tree.Name(name="at"), arguments=arguments):
                plain = all(a.name is None and a.weight is None for a in arguments)
                stages = [self.values.value(a.value).value for a in arguments]
                if plain and stages and all(is_kind(s, "count") for s in stages):
                    return Apply("at", tuple(Const(s) for s in stages))
        self.values.error("P0502", f"`when` is {KINDS['rule']}", value.span)
        return None


def _misplaced(
    form: Form, name: str, parameters: dict[str, OptionArgument], terms_by_name: dict[str, Term]
) -> str:
    """What is wrong with an argument of that name; empty where nothing is."""
    if not name:
        return f"`{form.name}` has too many arguments"
    if name not in parameters:
        return f"`{form.name}` has no argument `{name}`"
    return f"`{form.name}` is given `{name}` twice" if name in terms_by_name else ""


def is_kind(value: Value, kind: str) -> bool:
    """Whether a constant is of a kind named in `poedsl.compiler.plan.options.KINDS`."""
    if kind == "truth":
        return isinstance(value, bool)
    if value is None:
        return kind in ("limit", "share", "nodes")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    match kind:
        case "count" | "nodes":
            return isinstance(value, int) and value >= 1
        case "whole":
            return isinstance(value, int) and value >= 0
        case "nonnegative":
            return 0 <= value <= LARGEST
        case "share":
            return 0 < value < 1
        case _:
            return 1 / LARGEST <= value <= LARGEST


def _renamed(
    name: str, span: Span, names: Iterable[str], value: Span | None = None
) -> tuple[Fix, ...]:
    """The present name of something that had another; a kernel's `size` was its squared step."""
    new = RENAMED.get(name)
    if new is None or new not in names:
        return ()
    if value is None or name != "size":
        return (Fix(f"`{name}` is now `{new}`", (Edit(span, new),), "safe"),)
    edits = (Edit(span, new), Edit(Span(value.end, value.end), "^0.5"))
    return (Fix("`size` is now `step_size`, its square root", edits, "safe"),)
