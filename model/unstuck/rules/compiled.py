"""How the rules are compiled: once, cached on disk, with floating point that still knows NaN."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numba

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Sums may be reordered, which lets the compiler vectorise them; NaN and infinity keep their meaning.
_FLOATING_POINT = {"reassoc", "contract", "arcp", "nsz"}


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a function of numbers and arrays to machine code at its first call."""
    # Inlined by force: otherwise a run that compiles and a run that loads from the cache can take copies of a
    # rule that round differently.
    return numba.njit(cache=True, forceinline=True, fastmath=_FLOATING_POINT, error_model="numpy")(function)
