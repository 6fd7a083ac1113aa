"""Python files read as syntax: their decorated definitions, and where their names come from."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from poedsl.catalog.annotations import Annotation, Record, annotation_of, brief, dotted
from poedsl.catalog.code_references import DefinitionError, shown
from poedsl.catalog.definitions import (
    OPTIONS,
    PYRO_SAMPLE,
    Definition,
    Kind,
    PythonFunction,
    PythonParameter,
    UnreadableDefinition,
)
from poedsl.catalog.signatures import REQUIRED


@dataclass(frozen=True, slots=True)
class Module:
    """The syntax of a Python file.

    Attributes:
        body: its statements, those under conditions too.
        origins: where its names come from: ``poedsl.Real`` for ``Real``.
    """

    file: Path
    body: list[ast.stmt]
    origins: dict[str, str]

    @classmethod
    def read(cls, file: Path) -> Module:
        """Parse a file.

        Raises:
            DefinitionError: it cannot be opened, or is no Python.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                module = ast.parse(file.read_bytes(), str(file))
            body = list(_statements(module.body))
            return cls(file, body, dict(_origins(body)))
        except OSError as error:
            reason, line = error.strerror or str(error), 0
        except SyntaxError as error:
            reason, line = f"it is no Python: {error.msg}", error.lineno or 0
        except ValueError as error:
            reason, line = f"it is no Python: {error}", 0
        except (RecursionError, MemoryError):
            reason, line = "it is nested too deeply", 0
        at = f"{shown(file)}:{line}" if line else shown(file)
        raise DefinitionError("P0206", f"{at} cannot be read: {reason}")

    def origin(self, name: str) -> str:
        return self.origins.get(name, name)

    def definitions(self) -> Iterator[ast.FunctionDef | ast.ClassDef]:
        return (s for s in self.body if isinstance(s, ast.FunctionDef | ast.ClassDef))

    def decorated(self) -> list[str]:
        """The names that a program can use."""
        return [s.name for s in self.definitions() if self.decorator(s) or self.samples(s)]

    def decorator(self, statement: ast.FunctionDef | ast.ClassDef) -> tuple[Kind, ast.expr] | None:
        """Which of the decorators stands above a definition, and its syntax."""
        for expr in statement.decorator_list:
            name = dotted(expr.func if isinstance(expr, ast.Call) else expr, self.origin)
            for kind in OPTIONS:
                if name in (kind, f"poedsl.{kind}", f"poedsl.experts.user.decorators.{kind}"):
                    return kind, expr
        return None

    def definition(self, name: str) -> Definition | None:
        """The decorated function or class of a name; None where there is none.

        Raises:
            DefinitionError: its options cannot be read, or it is nested too deeply.
        """
        definitions = [s for s in self.definitions() if s.name == name]
        decorator = self.decorator(definitions[-1]) if definitions else None
        if decorator is None and not (definitions and self.samples(definitions[-1])):
            return None
        try:
            return self._definition(definitions[-1], *(decorator or ("model", None)))
        except (RecursionError, ValueError) as error:
            at = f"{shown(self.file)}:{definitions[-1].lineno}"
            raise DefinitionError("P0206", f"{at} cannot be read: {error}") from None

    def samples(self, statement: ast.FunctionDef | ast.ClassDef) -> bool:
        """Whether it is a function that calls `pyro.sample`: a model, decorated or not."""
        return isinstance(statement, ast.FunctionDef) and any(
            isinstance(node, ast.Call) and dotted(node.func, self.origin) == PYRO_SAMPLE
            for node in ast.walk(statement)
        )

    def _definition(
        self, statement: ast.FunctionDef | ast.ClassDef, kind: Kind, decorator: ast.expr | None
    ) -> Definition:
        file = shown(self.file)
        methods: dict[str, PythonFunction] | None = None
        makes = PythonFunction(line=statement.lineno)
        if isinstance(statement, ast.FunctionDef):
            makes = self.function(statement)
        else:
            self.written(statement)
            functions = (s for s in statement.body if isinstance(s, ast.FunctionDef))
            methods = {s.name: self.function(s, 1) for s in functions if not self.unbound(s)}
            makes = methods.get("__init__", makes)
        options = self.options(statement, kind, decorator)
        doc = ast.get_docstring(statement, clean=False) or ""
        return Definition(kind, statement.name, doc, makes, methods, options, file)

    def written(self, statement: ast.ClassDef) -> None:
        """Whether the parameters of a class are written in it, and not made up for it."""
        generators = {"dataclass", "dataclasses.dataclass", "attr.s", "attrs.define"}
        for expr in statement.decorator_list:
            name = dotted(expr.func if isinstance(expr, ast.Call) else expr, self.origin)
            if name in generators:
                raise DefinitionError(
                    "P0208",
                    f"the parameters of `{statement.name}` cannot be read: `{name}` makes them up",
                    "write its `__init__`",
                    f"at {shown(self.file)}:{statement.lineno}",
                )

    def unbound(self, statement: ast.FunctionDef) -> bool:
        names = {dotted(d, self.origin) for d in statement.decorator_list}
        return bool(names & {"staticmethod", "classmethod", "property"})

    def options(
        self, statement: ast.FunctionDef | ast.ClassDef, kind: Kind, decorator: ast.expr | None
    ) -> dict[str, object]:
        """The options of the decorator; the domain may be a type."""
        out: dict[str, object] = {}
        if not isinstance(decorator, ast.Call):
            return out
        for keyword in decorator.keywords:
            name, node = keyword.arg or "**", keyword.value
            at = f"at {shown(self.file)}:{decorator.lineno}"
            if name not in OPTIONS[kind]:
                takes = f"it takes {', '.join(OPTIONS[kind])}"
                raise DefinitionError("P0208", f"`poedsl.{kind}` has no option `{name}`", takes, at)
            typed = name == "domain" and not isinstance(node, ast.Constant)
            value = out[name] = self.annotation(node) if typed else _literal(node)
            if isinstance(value, UnreadableDefinition):
                option = f"the option `{name}` of `{statement.name}`"
                raise DefinitionError("P0208", f"{option} cannot be read: {value.reason}", at)
        return out

    def function(self, statement: ast.FunctionDef, skipped: int = 0) -> PythonFunction:
        """A function; of methods the first parameter is skipped."""
        a = statement.args
        places = [*a.posonlyargs, *a.args]
        defaults: list[ast.expr | None] = [None] * (len(places) - len(a.defaults))
        pairs = [*zip(places, [*defaults, *a.defaults], strict=True)][skipped:]
        pairs += zip(a.kwonlyargs, a.kw_defaults, strict=True)
        arguments = tuple(
            PythonParameter(
                arg.arg,
                self.annotation(arg.annotation),
                REQUIRED if default is None else _literal(default),
                arg not in a.posonlyargs,
            )
            for arg, default in pairs
        )
        stars = ("*", a.vararg), ("**", a.kwarg)
        more = next((f"{star}{arg.arg}" for star, arg in stars if arg is not None), "")
        returns = self.annotation(statement.returns)
        return PythonFunction(arguments, returns, more, statement.lineno)

    def annotation(
        self, node: ast.expr | None
    ) -> Annotation | Record | UnreadableDefinition | None:
        if node is None:
            return None
        try:
            return annotation_of(node, self.origin)
        except TypeError as error:
            return UnreadableDefinition(str(error))


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """What a module does at its top, under conditions too."""
    for statement in body:
        yield statement
        match statement:
            case ast.If() | ast.Try():
                handlers = statement.handlers if isinstance(statement, ast.Try) else []
                for inner in (statement, *handlers):
                    yield from _statements(inner.body)
                yield from _statements(statement.orelse)
            case ast.With():
                yield from _statements(statement.body)


def _origins(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Where the names of a module come from; those that it makes itself begin with a dot."""
    for statement in body:
        match statement:
            case ast.Import(names=names):
                for alias in names:
                    first = alias.name.partition(".")[0]
                    yield (alias.asname, alias.name) if alias.asname else (first, first)
            case ast.ImportFrom(module=module, names=names, level=level):
                for alias in names:
                    yield alias.asname or alias.name, f"{'.' * level}{module or ''}.{alias.name}"
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name, f".{name}"
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield target.id, f".{target.id}"


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return UnreadableDefinition(
            f"{brief(ast.unparse(node))} is known only when the code is run"
        )
