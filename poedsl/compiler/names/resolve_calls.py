"""Names in expressions: references, and calls of experts, rewards and sources made explicit.

Positions become names, what is left out is looked up: a free name as an argument is an input with
the parameter's type; a parameter without a default takes the program's name of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from poedsl.catalog.signatures import Parameter, Signature
from poedsl.compiler.functions.table import FUNCTIONS
from poedsl.compiler.names.suggestions import is_typo, similar_name, similar_name_fix
from poedsl.compiler.names.type_expressions import sizes_of, type_expression
from poedsl.compiler.plan.plan import Origin
from poedsl.compiler.wording import counted_noun
from poedsl.grammar import tree
from poedsl.grammar.diagnostics import Diagnostic, Edit, Fix, Label
from poedsl.grammar.source import Span
from poedsl.grammar.traversal import names_in, operator_chain, target_name
from poedsl.grammar.types import Type, unify

#: Words with a meaning of their own in call position, beside functions, experts and rewards.
CONSTRUCTS = ("exp", "where", "mixture")
#: What parameters are called elsewhere.
PARAMETERS = {
    **dict.fromkeys(("mu", "mean", "location", "center"), ("loc",)),
    **dict.fromkeys(("sigma", "std", "sd", "stddev", "b", "s"), ("scale",)),
    **dict.fromkeys(("cov", "covariance", "Sigma"), ("covariance_matrix",)),
    **dict.fromkeys(("precision", "tau"), ("precision_matrix",)),
    **dict.fromkeys(("nu", "dof"), ("df",)),
    **dict.fromkeys(("alpha", "a", "shape"), ("concentration", "concentration1")),
    **dict.fromkeys(("beta", "lam", "lambda_"), ("rate", "concentration0")),
    **dict.fromkeys(("min", "lower"), ("low",)),
    **dict.fromkeys(("max", "upper"), ("high",)),
}
#: What functions and densities are called elsewhere.
CALLED = {
    **dict.fromkeys(("Gaussian", "gaussian", "N", "norm_pdf"), "Normal"),
    **dict.fromkeys(("MvNormal", "MultiNormal", "multi_normal"), "MultivariateNormal"),
    **dict.fromkeys(("clip", "bound"), "clamp"),
    **dict.fromkeys(("minimum", "fmin"), "min"),
    **dict.fromkeys(("maximum", "fmax"), "max"),
    **dict.fromkeys(("cat", "concatenate", "stack", "append"), "concat"),
    **dict.fromkeys(("matmul", "inner", "dot_product"), "dot"),
    **{"arange": "range", "absolute": "abs", "fabs": "abs", "ln": "log", "inv_logit": "sigmoid"},
    **{"expit": "sigmoid", "crop_box": "crop", "StudentsT": "StudentT", "Mixture": "mixture"},
}
#: How what other languages call a function is written.
WRITTEN = {
    "len": "a vector has the length that its type says; `length(y)` is that of a text",
    **dict.fromkeys(("array", "tensor", "vector"), "a list is a vector: `[1, 2]`"),
    **dict.fromkeys(("pow", "power", "square"), "powers are written `x^2`"),
    **dict.fromkeys(("factor", "observe"), "what raises or lowers the target is `exp(...)`"),
    **dict.fromkeys(("ones", "zeros", "full"), "a number stands for as many as are needed"),
}
#: After this many errors no names are searched for similar ones.
MOST_SEARCHES = 50
#: The argument by which a reward says what it judges.
SUBJECT = "subject"

Target = tree.Name | tree.Index


@dataclass(slots=True)
class Calls:
    """What is known of names, and what was found wrong with them.

    Attributes:
        first: where the program begins, for declarations that are added.
        indent: what its lines begin with.
        used: names that something speaks of.
        declared: every declared name, with its place.
        visible: names declared so far, loop variables among them.
        defined: the program's own experts, which have been expanded where they fit.
        written: names that were made up, each with that which the text has.
        incomplete: variables with a statement that has an error.
        taken: where each inferred input got its type.
        left_out: arguments that a call of the program's own expert leaves out, with that expert.
    """

    strict: bool
    unread: frozenset[str]
    first: int
    indent: str
    signatures: Mapping[str, Signature]
    used: set[str]
    defined: frozenset[str] = frozenset()
    written: Mapping[str, str] = field(default_factory=dict)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    declared: dict[str, Span] = field(default_factory=dict)
    visible: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    inferred: dict[str, tree.Input] = field(default_factory=dict)
    taken: dict[str, Span] = field(default_factory=dict)
    left_out: dict[tuple[str, Span], str] = field(default_factory=dict)
    origins: dict[str, tuple[Origin, Span]] = field(default_factory=dict)

    def error(self, code: str, message: str, span: Span, **more: Any) -> None:
        self.diagnostics.append(Diagnostic(code, message, span, **more))

    # Values: numbers, conditions, regions, text.

    def value(self, expr: tree.Expr, target: Target | None = None) -> tree.Expr:
        match expr:
            case tree.Name():
                self.reference(expr)
                return expr
            case tree.List(items=items):
                return replace(expr, items=tuple(self.value(i, target) for i in items))
            case tree.Unary(operand=operand):
                return replace(expr, operand=self.value(operand, target))
            case tree.Binary():
                first, rest = operator_chain(expr)
                out = self.value(first, target)
                for node in rest:
                    out = replace(node, left=out, right=self.value(node.right, target))
                return out
            case tree.Comprehension(function=function):
                self.function(function)
                return self.comprehension(expr, target)
            case tree.Index(value=inner, items=items):
                return replace(
                    expr,
                    value=self.value(inner, target),
                    items=tuple(self.item(i, target) for i in items),
                )
            case tree.Attribute(value=inner):
                return replace(expr, value=self.value(inner, target))
            case tree.Call(function=function) if function.name in self.signatures:
                return self.expert(expr, self.signatures[function.name], target)
            case tree.Call(function=function, arguments=arguments):
                self.function(function)
                return replace(
                    expr,
                    arguments=tuple(
                        replace(a, value=self.value(a.value, target)) for a in arguments
                    ),
                )
            case _:
                return expr

    def comprehension(self, expr: tree.Comprehension, target: Target | None) -> tree.Expr:
        iterable = self.value(expr.iterable, target)
        with self.binding(expr.target.name):
            body = replace(
                expr.body,
                value=self.value(expr.body.value, target),
                weight=expr.body.weight and self.value(expr.body.weight, target),
            )
        return replace(expr, iterable=iterable, body=body)

    @contextmanager
    def binding(self, *names: str) -> Iterator[None]:
        """Names that are visible inside a comprehension or a block alone."""
        fresh = {n for n in names if n not in self.visible}
        self.visible |= fresh
        yield
        self.visible -= fresh

    def item(self, item: tree.Expr | tree.Slice, target: Target | None) -> tree.Expr | tree.Slice:
        if isinstance(item, tree.Slice):
            return replace(
                item,
                start=item.start and self.value(item.start, target),
                stop=item.stop and self.value(item.stop, target),
            )
        return self.value(item, target)

    def reference(self, name: tree.Name) -> None:
        self.used.add(name.name)
        known = (self.visible, self.variables, self.inferred, self.unread)
        if any(name.name in names for names in known):
            return
        if name.name in self.declared:
            self.error(
                "P0204",
                f"`{name.name}` is used before it is declared",
                name.span,
                labels=(Label(self.declared[name.name], "declared here"),),
            )
            return
        if expert := self.left_out.get((name.name, name.span)):
            self.error(
                "P0301",
                f"`{expert}` needs `{name.name}`, and the program has nothing of that name",
                name.span,
                notes=(f"give it: `{expert}({name.name} = ...)`",),
            )
            return
        fixes = self.similar(name.name, name.span, self.known(), "something")
        self.used |= {edit.text for fix in fixes for edit in fix.edits}
        notes: tuple[str, ...] = ()
        if name.name in (*self.signatures, *FUNCTIONS, *CONSTRUCTS, *self.defined):
            notes = (f"`{name.name}` is called with brackets: `{name.name}(...)`",)
        elif not fixes:
            notes = (
                "a constant is declared by `let`, a value that the caller gives by `input`, "
                f"such as `input {name.name} : Real`",
            )
        self.error(
            "P0201", f"there is nothing named `{name.name}`", name.span, fixes=fixes, notes=notes
        )

    def known(self) -> set[str]:
        return {*self.declared, *self.inferred, *self.visible} - self.written.keys()

    def similar(self, name: str, span: Span, known: Iterable[str], what: str) -> tuple[Fix, ...]:
        """What a name may be a slip of, in the first errors of a program."""
        few = len(self.diagnostics) < MOST_SEARCHES
        return similar_name_fix(name, span, known, what) if few else ()

    def function(self, function: tree.Name) -> None:
        if function.name in (*FUNCTIONS, *CONSTRUCTS, *self.unread):
            return
        if function.name in self.defined:
            self.used.add(function.name)
            self.error(
                "P0403",
                f"`{function.name}` is a factor of a product, not a number",
                function.span,
            )
            return
        known = (*FUNCTIONS, *self.signatures, *CONSTRUCTS, *self.defined)
        ours = CALLED.get(function.name, "")
        named = Fix(f"here it is called `{ours}`", (Edit(function.span, ours),))
        self.error(
            "P0202",
            f"there is no expert, reward or function named `{function.name}`",
            function.span,
            fixes=(named,) if ours else self.similar(function.name, function.span, known, "one"),
            notes=(WRITTEN.get(function.name, "`poe experts` lists what there is"),),
        )

    # Calls of experts and rewards: positions become names, what is left out is looked up.

    def expert(self, call: tree.Call, signature: Signature, target: Target | None) -> tree.Call:
        self.used.add(signature.name)
        given = self.arguments(call, signature)
        if given is None:
            self.used |= names_in(call)
            if target is not None:
                self.incomplete.add(target_name(target).name)
            return replace(call, arguments=())
        arguments: list[tree.Argument] = []
        for parameter in signature.parameters:
            if parameter.name in given:
                argument = given[parameter.name]
                value = self.argument(argument.value, parameter, target)
                if value is not None:
                    arguments.append(replace(argument, name=parameter.name, value=value))
            elif parameter.ambient and signature.family != "density":
                arguments += self.ambient(call, signature, parameter)
        self.complete(call, signature, given)
        if signature.family == "reward":
            arguments.append(self.subject(given, target))
        return replace(call, arguments=tuple(arguments))

    def arguments(self, call: tree.Call, signature: Signature) -> dict[str, tree.Argument] | None:
        """The arguments by parameter name, or None where they do not fit the signature."""
        given: dict[str, tree.Argument] = {}
        names = [p.name for p in signature.parameters]
        extra = [SUBJECT] if signature.family == "reward" else []
        note = (f"{signature}",)
        fits = True
        for position, argument in enumerate(call.arguments):
            if argument.weight is not None:
                self.error(
                    "P0301",
                    f"an argument of `{signature.name}` has no weight",
                    argument.span,
                    notes=note,
                )
                fits = False
                continue
            if argument.name is None and position >= len(names):
                self.error(
                    "P0301",
                    f"`{signature.name}` takes {counted_noun(len(names), 'argument')}",
                    argument.span,
                    notes=note,
                )
                fits = False
                continue
            name = argument.name or names[position]
            if name not in names + extra:
                ours = next((n for n in PARAMETERS.get(name, ()) if n in names), "")
                called = Fix(f"here it is called `{ours}`", (Edit(argument.name_span, ours),))
                self.error(
                    "P0301",
                    f"`{signature.name}` has no parameter `{name}`",
                    argument.name_span,
                    fixes=(called,)
                    if ours
                    else self.similar(name, argument.name_span, names, "a parameter"),
                    notes=note,
                )
                fits = False
            elif name in given:
                self.error(
                    "P0301",
                    f"`{signature.name}` is given `{name}` twice",
                    argument.span,
                    labels=(Label(given[name].span, "given here already"),),
                )
                fits = False
            else:
                given[name] = argument
        return given if fits else None

    def complete(
        self, call: tree.Call, signature: Signature, given: dict[str, tree.Argument]
    ) -> None:
        """What no input stands for is given, and one of each group of alternatives."""
        note = (f"{signature}",)
        for parameter in signature.parameters:
            taken = parameter.ambient and signature.family != "density"
            if parameter.required and not taken and parameter.name not in given:
                self.error(
                    "P0301", f"`{signature.name}` needs `{parameter.name}`", call.span, notes=note
                )
        for group in {p.alternative for p in signature.parameters if p.alternative}:
            names = [p.name for p in signature.parameters if p.alternative == group]
            chosen = [given[n] for n in names if n in given]
            if len(chosen) != 1:
                listed = ", ".join(f"`{n}`" for n in names)
                self.error(
                    "P0301",
                    f"`{signature.name}` takes one of {listed}, and has {len(chosen) or 'none'}",
                    chosen[1].span if chosen else call.span,
                    labels=tuple(Label(c.span, "given already") for c in chosen[:1]),
                    notes=note,
                )

    def argument(
        self, value: tree.Expr, parameter: Parameter, target: Target | None
    ) -> tree.Expr | None:
        """The value of an argument, None where it clashes with another use of its name.

        A free name is an input with the parameter's type, unless it nearly is a declared one.
        """
        free = (
            isinstance(value, tree.Name)
            and value.name not in self.declared
            and value.name not in self.visible
            and value.name not in self.unread
        )
        if not free or parameter.type is None or not isinstance(value, tree.Name):
            return self.value(value, target)
        if value.name not in self.inferred and similar_name(value.name, self.declared):
            self.reference(value)
            return value
        return value if self.infer(value, parameter.type, "inferred") else None

    def ambient(
        self, call: tree.Call, signature: Signature, parameter: Parameter
    ) -> list[tree.Argument]:
        """The program's input of the parameter's name, which is one from here on if it was none."""
        name = tree.Name(name=parameter.name, span=call.function.span)
        self.used.add(name.name)
        taken = f"`{signature.name}` takes `{name.name}` from the program, where it is"
        if name.name in self.variables:
            self.error(
                "P0301",
                f"{taken} a variable",
                call.span,
                notes=(f"{signature}", f"give it: `{signature.name}({name.name} = ...)`"),
            )
            return []
        if name.name in self.declared and name.name not in self.visible:
            self.error(
                "P0204",
                f"{taken} declared below",
                call.span,
                labels=(Label(self.declared[name.name], "declared here"),),
            )
            return []
        if name.name not in self.declared and name.name not in self.unread:
            assert parameter.type is not None
            if not self.infer(name, parameter.type, "ambient"):
                return []
        return [tree.Argument(value=name, name=parameter.name, span=call.span)]

    def subject(self, given: dict[str, tree.Argument], target: Target | None) -> tree.Argument:
        if SUBJECT in given:
            return replace(given[SUBJECT], value=self.value(given[SUBJECT].value, target))
        value: tree.Expr = target if target is not None else tree.Nothing()
        return tree.Argument(value=value, name=SUBJECT)

    def alike(self, name: tree.Name, type_: Type) -> None:
        """Warn of a free name that is another one but for a slip."""
        for other, known in self.inferred.items():
            if known.type.name == type_.name and is_typo(name.name, other):
                message = f"`{name.name}` and `{other}` are two inputs of nearly the same name"
                fixes = (Fix(f"if they are one, write `{other}`", (Edit(name.span, other),)),)
                label = Label(self.origins[other][1], f"`{other}` is here")
                self.diagnostics.append(
                    Diagnostic(
                        "P0808",
                        message,
                        name.span,
                        "warning",
                        labels=(label,),
                        notes=("what is meant to be two is declared by `input`",),
                        fixes=fixes,
                    )
                )
                return

    def infer(self, name: tree.Name, type_: Type, origin: Origin) -> bool:
        """Makes a free name an input; whether it has that type wherever it is used."""
        known = self.inferred.get(name.name)
        if known is not None:
            previous = Type(known.type.name, sizes_of(known.type))
            both = unify(previous, type_)
            if both is None:
                self.error(
                    "P0302",
                    f"`{name.name}` is taken as {type_} here and as {previous} elsewhere",
                    name.span,
                    labels=(Label(self.taken[name.name], f"{previous} here"),),
                )
            elif both != previous:
                self.inferred[name.name] = replace(known, type=type_expression(both))
                self.taken[name.name] = name.span
            return both is not None
        if self.strict:
            declared = f"input {name.name} : {type_}"
            edits = (Edit(Span(self.first, self.first), f"{declared}\n{self.indent}"),)
            fixes = (Fix(f"declare it above: `{declared}`", edits),)
            self.error("P0205", f"`{name.name}` is not declared", name.span, fixes=fixes)
        self.alike(name, type_)
        self.origins[name.name] = (origin, name.span)
        self.inferred[name.name] = tree.Input(
            name=name, type=type_expression(type_), span=name.span
        )
        self.taken[name.name] = name.span
        self.used.add(name.name)
        return True
