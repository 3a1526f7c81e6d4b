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
from types import ModuleType

MODULES = (
    *(
        f"unstuck.rules.{name}"
        for name in ("receptors", "adaptation", "autoreceptor", "bdnf", "firing", "heteroreceptors")
    ),
    *(f"unstuck.rules.{name}" for name in ("plasticity", "scar", "serotonin", "trkb")),
    "unstuck.engine.neuron",
    "unstuck.drugs.kinetics",
)
_OPERATORS = {
    **{ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.And: "&&", ast.Or: "||"},
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
                parts.append(translated(function, module))
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


def translated(node: ast.FunctionDef, module: ModuleType) -> str:
    """One function in JavaScript. Raises UntranslatableError with the line that has no translation."""
    arguments = [argument.arg for argument in node.args.args]
    stored = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    declared = sorted(stored - set(arguments))
    constants = sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id.isupper()})
    lines = [f"const {name} = {json.dumps(getattr(module, name))};" for name in constants]
    for name, fields in _named_tuples(node, module).items():
        lines.append(f"const {name} = ({', '.join(fields)}) => ({{ {', '.join(fields)} }});")
    lines += [f"let {', '.join(declared)};"] if declared else []
    return "\n".join([f"function {node.name}({', '.join(arguments)}) {{", *lines, *_block(node.body), "}"])


def _called(node: ast.FunctionDef) -> set[str]:
    """Names that a function calls."""
    calls = (n.func for n in ast.walk(node) if isinstance(n, ast.Call))
    return {function.id for function in calls if isinstance(function, ast.Name)}


def _named_tuples(node: ast.FunctionDef, module: ModuleType) -> dict[str, tuple[str, ...]]:
    """Fields of the named tuples that a function makes."""
    made = {name: getattr(getattr(module, name, None), "_fields", ()) for name in sorted(_called(node))}
    return {name: fields for name, fields in made.items() if fields}


def _block(statements: Sequence[ast.stmt]) -> list[str]:
    return [line for statement in statements for line in _statement(statement)]


def _statement(node: ast.stmt) -> list[str]:
    match node:
        case ast.Expr(value=ast.Constant()):  # a docstring
            return []
        case ast.Expr(value=value):
            return [f"{_value(value)};"]
        case ast.Return(value=value):
            return [f"return {_value(value)};" if value else "return;"]
        case ast.Assign(targets=[target], value=value):
            return [f"{_value(target)} = {_value(value)};"]
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            return [f"{_value(target)} = {_value(value)};"]
        case ast.AugAssign(target=target, op=op, value=value):
            return [f"{_value(target)} {_operator(op)}= {_value(value)};"]
        case ast.If(test=test, body=body, orelse=otherwise):
            rest = ["} else {", *_block(otherwise)] if otherwise else []
            return [f"if ({_value(test)}) {{", *_block(body), *rest, "}"]
        case ast.While(test=test, body=body, orelse=[]):
            return [f"while ({_value(test)}) {{", *_block(body), "}"]
        case ast.For(
            target=ast.Name(id=name), iter=ast.Call(func=ast.Name(id="range"), args=args), body=body
        ):
            first, last = ["0", *map(_value, args)][-2:]
            return [f"for ({name} = {first}; {name} < {last}; {name}++) {{", *_block(body), "}"]
        case _:
            raise UntranslatableError(f"line {node.lineno}: {ast.unparse(node)}")


def _value(node: ast.expr) -> str:
    match node:
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return f"Math.pow({_value(left)}, {_value(right)})"
        case ast.BinOp(left=left, op=op, right=right):
            return f"({_value(left)} {_operator(op)} {_value(right)})"
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return f"(-{_value(operand)})"
        case ast.BoolOp(op=op, values=values):
            return f"({f' {_operator(op)} '.join(map(_value, values))})"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return f"({_value(left)} {_operator(op)} {_value(right)})"
        case ast.IfExp(test=test, body=body, orelse=otherwise):
            return f"({_value(test)} ? {_value(body)} : {_value(otherwise)})"
        case ast.Constant(value=value):
            return json.dumps(value)
        case ast.Name(id=name):
            return name
        case ast.Tuple(elts=elements):
            return f"[{', '.join(map(_value, elements))}]"
        case ast.Attribute(value=array, attr="size"):
            return f"{_value(array)}.length"
        case ast.Subscript(value=ast.Attribute(value=array, attr="shape"), slice=ast.Constant(value=0)):
            return f"{_value(array)}.length"
        case ast.Attribute(value=value, attr=name):
            return f"{_value(value)}.{name}"
        case ast.Subscript(value=array, slice=ast.Tuple(elts=[row, column])):
            return f"{_value(array)}[{_value(row)}][{_value(column)}]"
        case ast.Subscript(value=array, slice=place):
            return f"{_value(array)}[{_value(place)}]"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=args):
            return _call(name, args)
        case _:
            raise UntranslatableError(f"line {node.lineno}: {ast.unparse(node)}")


def _call(name: str, args: Sequence[ast.expr]) -> str:
    if name in _AS_IT_IS:
        return _value(args[0])
    sizes = args[0].elts if name == "empty" and isinstance(args[0], ast.Tuple) else args
    return f"{_FUNCTIONS.get(name, name)}({', '.join(map(_value, sizes))})"


def _operator(op: ast.operator | ast.boolop | ast.cmpop) -> str:
    if type(op) not in _OPERATORS:
        raise UntranslatableError(f"operator {type(op).__name__}")
    return _OPERATORS[type(op)]
