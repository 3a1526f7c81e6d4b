"""Translate the classes that say what acts over time (doses, kinetics, laws, running means) to JavaScript.

They use arrays, dictionaries, sets and comprehensions. Operators and numpy become calls of `player/numpy.js`,
which has the same functions by the same names. Rules, which use numbers only, go through `translate.py`.
"""

import ast
import importlib
import inspect
import json
from collections.abc import Iterator, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from unstuck_analysis.view.translate import Translator, UntranslatableError

# What is translated of each module: functions, whole classes, or single methods of a class.
TRANSLATED = {
    "unstuck.files.schedule": "Dose",
    "unstuck.targets": "Effects Mode.nothing Mode.contribution",
    "unstuck.drugs.kinetics": "amounts_at Amounts",
    "unstuck.drugs.effects": (
        "_share _counting WhileTaken AfterEachDose Concentration Curve Occupancy ByConcentration"
        " Contribution.at Course._averaged_h Course._counting Course._ends_of_doses"
    ),
    "unstuck.drugs.exposure": (
        "Spell combine_arrays _Swing _RunningMean _noise_at _one _largest_stress PatientExposure.__init__"
        " PatientExposure.at_times PatientExposure.at PatientExposure.swing PatientExposure._acting"
        " PatientExposure._value"
    ),
}
# JavaScript has them from elsewhere; drugs that act in some places alone are refused (meanfield.py).
_GIVEN = {"_shifted_matrix", "move_on", "_populations_of"}
_OPERATORS = {
    **{ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Pow: "pow"},
    **{ast.FloorDiv: "floordiv", ast.BitAnd: "and", ast.BitOr: "or"},
    **{ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne"},
}
_BUILTINS = {
    *("int", "float", "len", "range", "max", "min", "abs", "round", "sorted", "zip", "enumerate", "pairwise"),
    *("tuple", "list", "set", "deque", "sum", "fsum", "prod", "exp", "log", "sqrt", "copysign"),
}
_METHODS = {
    "tolist",
    "max",
    "prod",
    "sum",
    "astype",
    "reshape",
    "copy",
    "append",
    "popleft",
    "union",
    "index",
}
_CONSTANTS = {"self": "this", "inf": "Infinity", "e": "Math.E", "float": "'float'"}


class ClassTranslator(Translator):
    """Translates functions and classes of one module; `classes` are called with `new`."""

    def __init__(self, module: ModuleType, classes: set[str], known: set[str]) -> None:
        super().__init__(module)
        self.classes, self.known = classes, known
        self.fields: set[str] = set()  # of the class whose methods are being translated
        self.constants: dict[str, str] = {}

    def whole_class(self, node: ast.ClassDef, methods: set[str]) -> str:
        """A class with its fields (of a data class or named tuple), and the wanted methods (empty: all)."""
        fields = [part for part in node.body if isinstance(part, ast.AnnAssign)]
        self.fields = {field.target.id for field in fields if isinstance(field.target, ast.Name)}
        lines = [f"class {node.name} {{", *self._constructor(fields)]
        for part in node.body:
            if isinstance(part, ast.Assign) and isinstance(part.targets[0], ast.Name):
                lines.append(f"{part.targets[0].id} = {self.value(part.value)};")
            elif isinstance(part, ast.FunctionDef) and (not methods or part.name in methods):
                lines.append(self.method(part))
        return "\n".join([*lines, "}"])

    def _constructor(self, fields: list[ast.AnnAssign]) -> list[str]:
        if not fields:
            return []
        names = [field.target.id for field in fields if isinstance(field.target, ast.Name)]
        given = [
            f"{name} = {self.value(field.value)}" if field.value else name
            for name, field in zip(names, fields, strict=True)
        ]
        return [f"constructor({', '.join(given)}) {{ Object.assign(this, {{ {', '.join(names)} }}); }}"]

    def method(self, node: ast.FunctionDef) -> str:
        """A method, or a getter for a property."""
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        head = "constructor" if node.name == "__init__" else node.name
        if decorators & {"property", "cached_property"}:
            head = f"get {head}"
        return self.function(node, head)

    def name(self, name: str) -> str:
        """A name of Python in JavaScript."""
        if name.isupper():
            self.constants[name] = literal(getattr(self.module, name))
        return _CONSTANTS.get(name, name)

    def arguments(self, node: ast.FunctionDef) -> list[str]:
        """The arguments of a function or method, with their usual values."""
        names, usual = [argument.arg for argument in node.args.args], node.args.defaults
        split = len(names) - len(usual)
        given = [f"{name} = {self.value(value)}" for name, value in zip(names[split:], usual, strict=True)]
        return [name for name in names[:split] if name != "self"] + given

    def first_lines(self, node: ast.FunctionDef) -> list[str]:
        """Nothing: constants are written once for all classes."""
        return []

    def statement(self, node: ast.stmt) -> list[str]:
        """A statement as lines of JavaScript."""
        match node:
            case ast.Assign(targets=[ast.Subscript() as target], value=value):
                return [self._stored(target, self.value(value))]
            case ast.AugAssign(target=ast.Subscript() as target, op=op, value=value):
                return [self._stored(target, self._operation(op, target, value))]
            case ast.AugAssign(target=target, op=op, value=value):
                return [f"{self.value(target)} = {self._operation(op, target, value)};"]
            case ast.For(target=target, iter=over, body=body, orelse=[]):
                head = f"for (const {self._bound(target)} of py.list({self.value(over)})) {{"
                return [head, *self.block(body), "}"]
            case ast.Continue():
                return ["continue;"]
            case ast.While(test=test, body=body, orelse=[]):
                return [f"while (py.bool({self.value(test)})) {{", *self.block(body), "}"]
            case ast.If(test=test, body=body, orelse=otherwise):
                rest = ["} else {", *self.block(otherwise)] if otherwise else []
                return [f"if (py.bool({self.value(test)})) {{", *self.block(body), *rest, "}"]
            case _:
                return super().statement(node)

    def _stored(self, target: ast.Subscript, value: str) -> str:
        return f"py.set({self.value(target.value)}, {self.value(target.slice)}, {value});"

    def _operation(self, op: ast.operator, left: ast.expr, right: ast.expr) -> str:
        return f"op.{self.operator(op)}({self.value(left)}, {self.value(right)})"

    def operator(self, op: ast.AST) -> str:
        """The name of an operator in `player/numpy.js`."""
        if type(op) not in _OPERATORS:
            raise UntranslatableError(f"operator {type(op).__name__}")
        return _OPERATORS[type(op)]

    def value(self, node: ast.expr) -> str:
        """An expression in JavaScript."""
        match node:
            case ast.BinOp(left=left, op=op, right=right):
                return self._operation(op, left, right)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                sides = [left, *comparators]
                return " && ".join(
                    self._comparison(op, a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False)
                )
            case ast.BoolOp(op=op, values=[left, *rest]):
                word = "either" if isinstance(op, ast.Or) else "both"
                return (
                    f"py.{word}({self.value(left)}, {', '.join(f'() => {self.value(one)}' for one in rest)})"
                )
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return f"!py.bool({self.value(operand)})"
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return literal(-value)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return f"op.mul(-1, {self.value(operand)})"
            case ast.IfExp(test=test, body=body, orelse=otherwise):
                return f"(py.bool({self.value(test)}) ? {self.value(body)} : {self.value(otherwise)})"
            case ast.Constant(value=value):
                return "py.all" if value is ... else literal(value)
            case ast.Name(id=name):
                return self.name(name)
            case ast.Subscript(value=array, slice=place):
                return f"py.get({self.value(array)}, {self.value(place)})"
            case ast.Slice(lower=lower, upper=upper, step=None):
                ends = (self.value(end) if end else "null" for end in (lower, upper))
                return f"py.slice({', '.join(ends)})"
            case ast.Attribute(value=array, attr="size" | "shape" | "T" as what):
                return f"np.{what}({self.value(array)})"
            case ast.Attribute(value=value, attr=name):
                return f"{self.value(value)}.{name}"
            case ast.Lambda(args=args, body=body):
                return f"({', '.join(one.arg for one in args.args)}) => {self.value(body)}"
            case ast.Call():
                return self.call(node)
            case _:
                return self._collection(node)

    def _collection(self, node: ast.expr) -> str:
        match node:
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                return f"[{', '.join(map(self.value, elements))}]"
            case ast.Set(elts=elements):
                return f"new Set([{', '.join(map(self.value, elements))}])"
            case ast.Dict(keys=[], values=[]):
                return "new Dict()"
            case ast.Starred(value=value):
                return f"...py.list({self.value(value)})"
            case (
                ast.ListComp(elt=element, generators=generators)
                | ast.GeneratorExp(elt=element, generators=generators)
            ):
                return self._comprehension(self.value(element), generators)
            case ast.SetComp(elt=element, generators=generators):
                return f"new Set({self._comprehension(self.value(element), generators)})"
            case ast.DictComp(key=key, value=value, generators=generators):
                pair = f"[{self.value(key)}, {self.value(value)}]"
                return f"new Dict({self._comprehension(pair, generators)})"
            case _:
                raise UntranslatableError(f"line {node.lineno}: {ast.unparse(node)}")

    def _comprehension(self, element: str, generators: list[ast.comprehension]) -> str:
        first, *rest = generators
        text = f"py.list({self.value(first.iter)})"
        for test in first.ifs:
            text += f".filter(({self._bound(first.target)}) => py.bool({self.value(test)}))"
        inner = self._comprehension(element, rest) if rest else element
        return f"{text}.{'flatMap' if rest else 'map'}(({self._bound(first.target)}) => {inner})"

    def _bound(self, target: ast.expr) -> str:
        """Names that a loop sets."""
        match target:
            case ast.Name(id=name):
                return "" if name == "_" else name
            case ast.Tuple(elts=elements):
                return f"[{', '.join(map(self._bound, elements))}]"
            case _:
                raise UntranslatableError(f"line {target.lineno}: {ast.unparse(target)}")

    def _comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr) -> str:
        a, b = self.value(left), self.value(right)
        match op:
            case ast.Is():
                return f"({a} === {b})"
            case ast.IsNot():
                return f"({a} !== {b})"
            case ast.In():
                return f"py.in({a}, {b})"
            case _:
                return f"op.{self.operator(op)}({a}, {b})"

    def call(self, node: ast.Call) -> str:
        """A call; arguments with names become one object at the end."""
        args = [self.value(one) for one in node.args]
        named = [f"{one.arg}: {self.value(one.value)}" for one in node.keywords if one.arg != "strict"]
        args += [f"{{ {', '.join(named)} }}"] if named else []
        match node.func:
            case ast.Subscript(value=ast.Name(id=name)) | ast.Name(id=name):  # list[float](...)
                return f"{self._callee(name, node)}({', '.join(args)})"
            case ast.Attribute(value=ast.Name(id="np"), attr=name):
                return f"np.{name}({', '.join(args)})"
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="np"), attr=name), attr=part):
                return f"np.{name}_{part}({', '.join(args)})"
            case ast.Attribute(value=ast.Name(id="self"), attr=name) if name in self.fields:
                return f"this.{name}.__call__({', '.join(args)})"
            case ast.Attribute(value=value, attr=name) if name in _METHODS:
                return f"np.{name}({', '.join([self.value(value), *args])})"
            case ast.Attribute(value=value, attr=name):
                return f"{self.value(value)}.{name}({', '.join(args)})"
            case _:
                raise UntranslatableError(f"line {node.lineno}: {ast.unparse(node)}")

    def _callee(self, name: str, node: ast.Call) -> str:
        if name in self.classes:
            return f"new {name}"
        if name in _BUILTINS:
            return f"py.{name}"
        if name in self.known | _GIVEN:
            return name
        raise UntranslatableError(f"line {node.lineno}: {name} is called, but not translated")


def literal(value: Any) -> str:
    """A constant of Python in JavaScript."""
    match value:
        case None | bool() | str():
            return json.dumps(value)
        case float() if value == float("inf"):
            return "Infinity"
        case int() | float():
            return repr(value)
        case tuple():
            return f"[{', '.join(map(literal, value))}]"
        case np.ndarray():
            return f"np.array({value.tolist()})"
        case Mapping():
            return f"new Dict([{', '.join(f'[{literal(k)}, {literal(v)}]' for k, v in value.items())}])"
        case _:
            raise UntranslatableError(f"constant {value!r}")


@cache
def translated_exposure() -> str:
    """JavaScript with one object, `exposure`, that has every class and function of TRANSLATED."""
    wanted = {name: _wanted(names) for name, names in TRANSLATED.items()}
    nodes = [(importlib.import_module(name), node) for name in wanted for node in _nodes(name, wanted[name])]
    classes = {node.name for _, node in nodes if isinstance(node, ast.ClassDef)}
    known = {node.name for _, node in nodes} - classes
    constants, parts = dict[str, str](), list[str]()
    for module, node in nodes:
        translator = ClassTranslator(module, classes, known)
        try:
            if isinstance(node, ast.ClassDef):
                parts.append(translator.whole_class(node, wanted[module.__name__][node.name]))
            else:
                parts.append(translator.function(node))
        except UntranslatableError as fault:
            raise UntranslatableError(f"{module.__file__}: {node.name}: {fault}") from None
        constants |= translator.constants
    heads = [f"const {name} = {text};" for name, text in constants.items()]
    body = "\n".join([*heads, *parts])
    return f"const exposure = (() => {{\n{body}\nreturn {{ {', '.join(sorted(classes | known))} }};\n}})();\n"


def _wanted(names: str) -> dict[str, set[str]]:
    """Functions and classes, with the wanted methods (empty: all)."""
    wanted: dict[str, set[str]] = {}
    for name in names.split():
        owner, _, method = name.partition(".")
        wanted.setdefault(owner, set())
        if method:
            wanted[owner].add(method)
    return wanted


def _nodes(module: str, wanted: Mapping[str, object]) -> Iterator[ast.FunctionDef | ast.ClassDef]:
    """The wanted functions and classes of a module, in its order."""
    for node in ast.parse(inspect.getsource(importlib.import_module(module))).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in wanted:
            yield node
