"""Translate the model's compiled functions to JavaScript, so that the page computes with the same biology.

The functions that are translated are small: numbers, arrays, named tuples (objects with the same names) and
loops over ranges. A form of Python that is not known here raises `UntranslatableError` with file and line.
"""

import ast
import importlib
import inspect
import json
from collections.abc import Iterable, Sequence
from functools import cache
from pkgutil import iter_modules
from types import ModuleType

from unstuck import rules

MODULES = (
    *(f"unstuck.rules.{rule.name}" for rule in iter_modules(rules.__path__) if rule.name != "compiled"),
    "unstuck.engine.neuron",
    "unstuck.drugs.kinetics",
)
_OPERATORS = {
    **{
        ast.Add: "+",
        ast.Sub: "-",
        ast.Mult: "*",
        ast.Div: "/",
        ast.RShift: ">>",
        ast.And: "&&",
        ast.Or: "||",
    },
    **{ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "===", ast.NotEq: "!=="},
}
_FUNCTIONS = {name: f"Math.{name}" for name in ("max", "min", "abs", "sqrt", "exp", "log")}
_AS_IT_IS = ("int", "float")
_HELPERS = """\
const empty = (rows, columns) => Array.from({ length: rows }, () => new Float64Array(columns));
const eye = size => empty(size, size).map((row, k) => { row[k] = 1; return row; });
"""


class UntranslatableError(Exception):
    """A form of Python that has no translation yet."""


@cache
def translated_model() -> str:
    """JavaScript with one object, `model`, that has every rule and its composition by its Python name."""
    names, parts, called = list[str](), list[str](), set[str]()
    for module in map(importlib.import_module, MODULES):
        for function in _compiled_functions(module):
            try:
                parts.append(Translator(module).function(function))
            except UntranslatableError as fault:
                raise UntranslatableError(f"{module.__file__}: {function.name}: {fault}") from None
            names.append(function.name)
            called |= _called(function) - set(_named_tuples(function, module))
    if unknown := called - {*names, *_FUNCTIONS, *_AS_IT_IS, "range"}:
        raise UntranslatableError(f"called, but not translated: {', '.join(sorted(unknown))}")
    body = "\n".join([_HELPERS, *parts])
    return f"const model = (() => {{\n{body}\nreturn {{ {', '.join(names)} }};\n}})();\n"


def _compiled_functions(module: ModuleType) -> Iterable[ast.FunctionDef]:
    """The compiled functions of a module that use nothing but what is translated."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list and "searchsorted" not in ast.dump(node):
            yield node


def _called(node: ast.FunctionDef) -> set[str]:
    """Names that a function calls."""
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


def _named_tuples(node: ast.FunctionDef, module: ModuleType) -> dict[str, tuple[str, ...]]:
    """Fields of the named tuples that a function makes."""
    made = {name: getattr(getattr(module, name, None), "_fields", ()) for name in sorted(_called(node))}
    return {name: fields for name, fields in made.items() if fields}


class Translator:
    """Translates functions of numbers of one module; `translate_classes.py` adds classes and arrays."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module

    def function(self, node: ast.FunctionDef, head: str = "") -> str:
        """One function in JavaScript. Raises UntranslatableError with the line that has no translation."""
        names = [argument.arg for argument in node.args.args]
        stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        lines = self.first_lines(node)
        lines += [f"let {', '.join(declared)};"] if (declared := sorted(stored - set(names))) else []
        head = f"{head or f'function {node.name}'}({', '.join(self.arguments(node))})"
        return "\n".join([f"{head} {{", *lines, *self.block(node.body), "}"])

    def arguments(self, node: ast.FunctionDef) -> list[str]:
        """The arguments of a function."""
        return [argument.arg for argument in node.args.args]

    def first_lines(self, node: ast.FunctionDef) -> list[str]:
        """Constants and named tuples that a function uses."""
        constants = sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id.isupper()})
        lines = [
            f"const {name} = {json.dumps(getattr(self.module, name), default=int)};" for name in constants
        ]
        for name, fields in _named_tuples(node, self.module).items():
            lines.append(f"const {name} = ({', '.join(fields)}) => ({{ {', '.join(fields)} }});")
        return lines

    def block(self, statements: Sequence[ast.stmt]) -> list[str]:
        """Lines of JavaScript of some statements."""
        return [line for statement in statements for line in self.statement(statement)]

    def statement(self, node: ast.stmt) -> list[str]:
        """A statement as lines of JavaScript."""
        match node:
            case ast.Expr(value=ast.Constant()):  # a docstring
                return []
            case ast.Expr(value=value):
                return [f"{self.value(value)};"]
            case ast.Return(value=value):
                return [f"return {self.value(value)};" if value else "return;"]
            case ast.Assign(targets=[target], value=value):
                return [f"{self.value(target)} = {self.value(value)};"]
            case ast.AnnAssign(target=target, value=ast.expr() as value):
                return [f"{self.value(target)} = {self.value(value)};"]
            case ast.AugAssign(target=target, op=op, value=value):
                return [f"{self.value(target)} {self.operator(op)}= {self.value(value)};"]
            case ast.If(test=test, body=body, orelse=otherwise):
                rest = ["} else {", *self.block(otherwise)] if otherwise else []
                return [f"if ({self.value(test)}) {{", *self.block(body), *rest, "}"]
            case ast.While(test=test, body=body, orelse=[]):
                return [f"while ({self.value(test)}) {{", *self.block(body), "}"]
            case ast.For(
                target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args), body=body
            ):
                first, last = ["0", *map(self.value, args)][-2:]
                return [f"for ({name} = {first}; {name} < {last}; {name}++) {{", *self.block(body), "}"]
            case _:
                raise UntranslatableError(f"line {node.lineno}: {ast.unparse(node)}")

    def value(self, node: ast.expr) -> str:
        """An expression in JavaScript."""
        match node:
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return f"Math.pow({self.value(left)}, {self.value(right)})"
            case ast.BinOp(left=left, op=op, right=right):
                return f"({self.value(left)} {self.operator(op)} {self.value(right)})"
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"(-{self.value(operand)})"
            case ast.BoolOp(op=op, values=values):
                return f"({f' {self.operator(op)} '.join(map(self.value, values))})"
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return f"({self.value(left)} {self.operator(op)} {self.value(right)})"
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return f"({self.value(test)} ? {self.value(body)} : {self.value(otherwise)})"
            case ast.Constant(value=value):
                return json.dumps(value)
            case ast.Name(id=name):
                return name
            case ast.Tuple(elts=elements):
                return f"[{', '.join(map(self.value, elements))}]"
            case ast.Attribute(value=array, attr="size"):
                return f"{self.value(array)}.length"
            case ast.Subscript(value=ast.Attribute(value=array, attr="shape"), slice=ast.Constant(value=0)):
                return f"{self.value(array)}.length"
            case ast.Attribute(value=value, attr=name):
                return f"{self.value(value)}.{name}"
            case ast.Subscript(value=array, slice=ast.Tuple(elts=[row, column])):
                return f"{self.value(array)}[{self.value(row)}][{self.value(column)}]"
            case ast.Subscript(value=array, slice=place):
                return f"{self.value(array)}[{self.value(place)}]"
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
                return self._call(name, args)
            case _:
                raise UntranslatableError(f"line {node.lineno}: {ast.unparse(node)}")

    def _call(self, name: str, args: Sequence[ast.expr]) -> str:
        if name in _AS_IT_IS:
            return self.value(args[0])
        sizes = args[0].elts if name == "empty" and isinstance(args[0], ast.Tuple) else args
        return f"{_FUNCTIONS.get(name, name)}({', '.join(map(self.value, sizes))})"

    def operator(self, op: ast.AST) -> str:
        """An operator of numbers."""
        if type(op) not in _OPERATORS:
            raise UntranslatableError(f"operator {type(op).__name__}")
        return _OPERATORS[type(op)]
