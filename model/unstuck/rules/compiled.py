"""How the rules are compiled: once, cached on disk, with floating point that still knows NaN."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Sums may be reordered, which lets the compiler vectorise them; NaN and infinity keep their meaning.
_FLOATING_POINT = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a function of numbers and arrays to machine code at its first call."""
    return _compile(function, from_python=True)


def compiled_part(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """As `compiled`, for a function that only compiled functions call: it takes half as long to compile."""
    return _compile(function, from_python=False)


def _compile(function: Callable[Parameters, Result], from_python: bool) -> Callable[Parameters, Result]:
    # Inlined by force: otherwise a run that compiles and a run that loads from the cache can take copies of a
    # rule that round differently.
    options: dict[str, Any] = {
        "cache": True,
        "forceinline": True,
        "fastmath": _FLOATING_POINT,
        "error_model": "numpy",
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": not from_python,
    }
    return numba.njit(**options)(function)
