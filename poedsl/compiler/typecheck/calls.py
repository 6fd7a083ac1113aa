"""Types of calls: functions, comprehensions, rewards, sources, and the arguments of experts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from poedsl.catalog.signatures import Parameter, Required, Returned, Signature
from poedsl.compiler.functions import linear_algebra
from poedsl.compiler.functions.table import FUNCTIONS, Function, flatten
from poedsl.compiler.functions.types import (
    MOST,
    MOST_ELEMENTS,
    MOST_SIZES,
    NONE,
    Given,
    Unfit,
    known,
)
from poedsl.compiler.names.arguments import left_out, matched, misfits
from poedsl.compiler.names.match_arguments import SUBJECT
from poedsl.compiler.plan.terms import Apply, Const, Ref, Term, names
from poedsl.compiler.typecheck.parts import Parts
from poedsl.compiler.typecheck.typed import (
    POISONED,
    Typed,
    counted,
    describe,
    finite,
    fits,
    typed_constant,
)
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.types import REAL, Sizes, Type


@dataclass(slots=True)
class Calls(Parts):
    """Types calls whose result is a value, and the arguments of all calls."""

    # Functions.

    def function(self, expr: tree.Call | tree.Comprehension) -> Typed:
        """A call of a function; a comprehension gives it one list, the body at each element."""
        function = FUNCTIONS[expr.function.name]
        arguments = (expr.body,) if isinstance(expr, tree.Comprehension) else expr.arguments
        given, found = matched(function, arguments, expr.span)
        if found:
            self.diagnostics += found
            return POISONED
        args: list[Typed] = []
        for parameter in function.parameters:
            if parameter.name not in given:
                args.append(left_out(parameter))
            elif isinstance(expr, tree.Comprehension):
                args.append(self.unrolled(expr))
            else:
                value = self.value(given[parameter.name].value)
                args.append(value if parameter.kind.symbols else counted(value))
        for typed, parameter in zip(args, function.parameters, strict=True):
            if typed.ok and parameter.name in given:
                place = given[parameter.name].value.span
                found += misfits(typed, parameter, function, self.variables, place)
        self.diagnostics += found
        if found or not all(a.ok for a in args):
            return POISONED
        while args[-1].type == NONE:
            args.pop()
        return self.result(function, args, expr.span)

    def result(self, function: Function, args: list[Typed], span: Span) -> Typed:
        try:
            result = function.rule(*(Given(a.type, known(a.term)) for a in args))
        except Unfit as error:
            message = f"`{function.name}`: {error}"
            return self.error(error.code, message, span, notes=error.notes)
        if isinstance(result, Const):
            return typed_constant(result.value, span)
        if function.evaluate is not None and all(isinstance(a.term, Const) for a in args):
            return self.evaluated(function, args, result, span)
        return Typed(Apply(function.name, tuple(a.term for a in args), span=span), result)

    def unrolled(self, expr: tree.Comprehension) -> Typed:
        """The body at each element of a vector, as a list."""
        iterable = self.value(expr.iterable)
        if not iterable.ok:
            return POISONED
        if not isinstance(iterable.value, tuple):
            message = "a comprehension runs over a vector known when the program is compiled"
            return self.error("P0302", message, expr.iterable.span)
        if len(iterable.value) > MOST_ELEMENTS:
            message = f"a comprehension runs over at most {MOST_ELEMENTS:,} elements"
            return self.error("P0506", message, expr.iterable.span)
        items: list[Typed] = []
        with self.scope(expr.target.name):
            for element in iterable.value:
                self.environment[expr.target.name] = typed_constant(element, expr.target.span)
                items.append(self.value(expr.body.value))
                if not items[-1].ok:
                    break
        return self.listed(items, expr)

    def listed(self, items: list[Typed], expr: tree.Comprehension) -> Typed:
        """Values of one shape as a list."""
        if not all(i.ok for i in items):
            return POISONED
        for item in items:
            if not item.type.is_numeric:
                message = f"a list holds numbers, and this is {describe(item.type)}"
                return self.error("P0311", message, expr.body.span)
            if item.type.sizes != items[0].type.sizes:
                message = (
                    "the elements of a list have one shape, and these differ: "
                    f"{describe(items[0].type)} and {describe(item.type)}"
                )
                return self.error("P0303", message, expr.body.span)
        return self.joined(items, expr.span)

    def joined(self, items: list[Typed], span: Span) -> Typed:
        """Values of one shape as one value with a size in front."""
        kinds = {i.type.name for i in items}
        name = kinds.pop() if kinds in ({"Int"}, {"Bool"}) else "Real"
        type_ = Type(name, (len(items), *items[0].type.sizes))
        if len(type_.sizes) > MOST_SIZES:
            return self.error("P0309", f"a value has at most {MOST_SIZES} sizes", span)
        if not all(isinstance(i.term, Const) for i in items):
            return Typed(Apply("list", tuple(i.term for i in items), span=span), type_)
        if too_many(type_):
            return self.error("P0306", f"this list has more than {MOST:,} numbers", span)
        return Typed(Const(tuple(i.value for i in items), span), type_)

    def evaluated(self, function: Function, args: list[Typed], type_: Type, span: Span) -> Typed:
        assert function.evaluate is not None
        if too_many(type_):
            return self.error("P0306", f"this has more than {MOST:,} numbers", span)
        try:
            value = function.evaluate(*(a.value for a in args))
        except OverflowError:
            return self.error("P0306", "this has no value: the result is too large", span)
        except ValueError:
            message = f"this has no value: `{function.name}` is not defined here"
            return self.error("P0306", message, span)
        if not finite(value):
            return self.error("P0306", "this has no value: the result is too large", span)
        return Typed(Const(value, span), type_)

    # Arguments of experts, rewards and sources.

    def model_call(self, call: tree.Call, signature: Signature) -> Typed:
        """A reward, or a source of inputs."""
        if signature.family == "source":
            given = self.parameters(call, signature)
            return POISONED if given is None else self.returned(call, signature, given)
        if signature.family != "reward":
            return self.error(
                "P0403", f"`{signature.name}` is a factor of a product, not a number", call.span
            )
        if not self.in_reward:
            return self.error(
                "P0403", f"the reward `{signature.name}` has a place under `exp` only", call.span
            )
        given = self.parameters(call, signature)
        return POISONED if given is None else Typed(applied(call, signature, given), REAL)

    def returned(self, call: tree.Call, signature: Signature, given: dict[str, Typed]) -> Typed:
        """What a source returns, its sizes as far as constant arguments say them."""
        term = applied(call, signature, given)
        fields = tuple((r.name, Type(r.type, sizes_returned(r, term))) for r in signature.returns)
        if len(fields) == 1 and not fields[0][0]:
            return Typed(term, fields[0][1])
        return Typed(term, Type("Record"), fields)

    def parameters(self, call: tree.Call, signature: Signature) -> dict[str, Typed] | None:
        """The arguments by name; None where one is wrong."""
        before = len(self.diagnostics)
        out: dict[str, Typed] = {}
        for argument in call.arguments:
            if argument.name is None:
                return None
            parameter = signature.parameter(argument.name)
            typed = out[argument.name] = self.value(argument.value)
            if not typed.ok:
                continue
            if parameter is None:
                self.subject(typed, argument, call, signature)
            else:
                self.argument(typed, argument, parameter, call, signature)
        sound = len(self.diagnostics) == before and all(t.ok for t in out.values())
        return out if sound and not incomplete(signature, out) else None

    def subject(
        self, typed: Typed, argument: tree.Argument, call: tree.Call, signature: Signature
    ) -> None:
        if not signature.domains or any(fits(typed.type, d) for d in signature.domains):
            return
        name = argument.value.name if isinstance(argument.value, tree.Name) else ""
        what = f"`{name}`" if name else "this"
        self.error(
            "P0302",
            f"`{signature.name}` judges {signature.judged}, and {what} is {describe(typed.type)}",
            argument.span if argument.span.end else call.span,
            labels=(Label(self.places[name], f"`{name}` is {typed.type} here"),)
            if name in self.places
            else (),
            notes=(str(signature),),
        )

    def argument(
        self,
        typed: Typed,
        argument: tree.Argument,
        parameter: Parameter,
        call: tree.Call,
        signature: Signature,
    ) -> None:
        nothing = isinstance(typed.term, Const) and typed.term.value is None
        if nothing and parameter.default is None and not parameter.alternative:
            return
        unfit = (
            not typed.type.is_numeric or typed.type.name == "Bool"
            if parameter.type is None
            else not fits(typed.type, parameter.type)
        )
        if unfit:
            self.mismatch(typed, argument, parameter, call, signature)
        elif inner := self.entangled(typed, signature):
            self.error(
                "P0312",
                f"`{parameter.name}` of `{signature.name}` depends on the variable `{inner}`",
                argument.value.span,
                notes=(
                    "models are conditioned on constants, inputs and expressions in them",
                    "what two variables owe each other is a density of one around the other, or "
                    "a reward of both",
                ),
            )
        elif parameter.role == "gradient" and not isinstance(typed.term, Const):
            message = f"`{parameter.name}` of `{signature.name}` is known when it is compiled"
            self.error("P0302", message, argument.value.span, notes=("it is true or false",))
        else:
            self.in_range(typed, argument, parameter)

    def entangled(self, typed: Typed, signature: Signature) -> str:
        """The variable that an argument may not depend on; empty where there is none.

        Rewards may judge several variables, and densities speak of one variable around others.
        """
        if signature.family == "reward":
            return ""
        own = {self.speaking_of} if signature.family == "density" else self.variables
        return min(names(typed.term) & own, default="")

    def mismatch(
        self,
        typed: Typed,
        argument: tree.Argument,
        parameter: Parameter,
        call: tree.Call,
        signature: Signature,
    ) -> None:
        name = parameter.name
        wanted = "numbers" if parameter.type is None else str(parameter.type)
        ambient = argument.span == call.span
        labels: tuple[Label, ...] = ()
        if isinstance(typed.term, Ref) and typed.term.name in self.places:
            place = self.places[typed.term.name]
            labels = (Label(place, f"`{typed.term.name}` is {typed.type} here"),)
        hidden = self.variables | self.made_up
        others = {n: t for n, t in self.environment.items() if n not in hidden}
        same = [n for n in in_scope(parameter.type, others) if n != name or not ambient]
        edit = Edit(argument.value.span, same[0] if same else "")
        if ambient:
            comma = ", " if self.text(call.span).rstrip(" )")[-1:] != "(" else ""
            end = call.span.end - 1
            edit = Edit(Span(end, end), f"{comma}{name} = {same[0] if same else ''}")
        self.error(
            "P0302",
            f"`{signature.name}` takes `{name}` from the program, where it is "
            f"{describe(typed.type)}, not {describe_wanted(parameter)}"
            if ambient
            else f"`{name}` of `{signature.name}` takes {describe_wanted(parameter)}, "
            f"and this is {describe(typed.type)}",
            argument.value.span,
            labels=labels,
            notes=(str(signature),),
            fixes=(Fix(f"there is a {wanted} in scope: `{same[0]}`", (edit,)),)
            if len(same) == 1
            else (),
        )

    def in_range(self, typed: Typed, argument: tree.Argument, parameter: Parameter) -> None:
        value = typed.value
        if value is None:
            return
        reason = parameter.no_label(value)
        if parameter.role in ("positive", "frames") and any(x <= 0 for x in flatten(value)):
            reason = f"is above 0, and this is {min(flatten(value))}"
        if parameter.role == "matrix":
            reason = linear_algebra.why_not(value, parameter.name)
        if reason:
            self.error("P0307", f"`{parameter.name}` {reason}", argument.value.span)


def too_many(type_: Type) -> bool:
    """Whether a constant of a type is larger than the compiler computes with."""
    return (type_.count or 0) > MOST


def in_scope(type_: Type | None, environment: Mapping[str, Typed]) -> list[str]:
    """The names whose values can stand where a type is wanted."""
    if type_ is None:
        return []
    return sorted(n for n, t in environment.items() if t.ok and fits(t.type, type_))


def describe_wanted(parameter: Parameter) -> str:
    return "numbers" if parameter.type is None else describe(parameter.type)


def incomplete(signature: Signature, given: Mapping[str, Typed]) -> bool:
    """Whether an argument that is needed is missing, which name resolution has reported."""
    groups = {p.alternative for p in signature.parameters if p.alternative}
    chosen = [p.alternative for p in signature.parameters if p.alternative and p.name in given]
    missing = any(p.required and p.name not in given for p in signature.parameters)
    return missing or len(chosen) != len(groups)


def applied(call: tree.Call, signature: Signature, given: Mapping[str, Typed]) -> Apply:
    """The call with every parameter written out, in the signature's order."""
    out: list[tuple[str, Term]] = []
    for parameter in signature.parameters:
        if parameter.name in given:
            out.append((parameter.name, given[parameter.name].term))
        elif not parameter.alternative and not isinstance(parameter.default, Required):
            out.append((parameter.name, Const(parameter.default)))
    if SUBJECT in given:
        out.append((SUBJECT, given[SUBJECT].term))
    return Apply(signature.name, (), tuple(out), span=call.span)


def sizes_returned(returned: Returned, term: Apply) -> Sizes:
    """Sizes that are arguments of the source, where those are constants."""
    given = dict(term.kwargs)
    out: list[int | None] = []
    for size in returned.sizes:
        if isinstance(size, str):
            name, _, element = size.partition(".")
            argument = given.get(name)
            value = argument.value if isinstance(argument, Const) else None
            if element and isinstance(value, tuple) and int(element) < len(value):
                value = value[int(element)]
            size = value if isinstance(value, int) else None
        out.append(size)
    return tuple(out)
