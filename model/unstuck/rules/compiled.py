# Not strict: numba has no types.
# pyright: standard
"""How the rules are compiled: once per state of the sources, with floating point that still knows NaN.

Compiled code is stored in the user's cache folder (Linux: ~/.cache/unstuck), or in NUMBA_CACHE_DIR. Its
subfolder is named by a digest of all sources of the model and the versions of numba and Python. Without it
numba does not notice an edit of a rule in another file than the function that calls it.

`importlib.reload` of a module with compiled functions changes them wherever they are used in the process:
every function is compiled again at its next call. From then on the process stores nothing, because other
modules may have been edited and not reloaded. Objects that were made before keep the numbers they have.
"""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any, ParamSpec, TypeVar

import numba
from numba.core import config as numba_config
from numba.core.caching import FunctionCache
from numba.misc.appdirs import user_cache_dir

from unstuck import version

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

# Sums may be reordered, which lets the compiler vectorise them; NaN and infinity keep their meaning.
_FLOATING_POINT = {"reassoc", "contract", "arcp", "nsz"}
_KEPT_FOLDERS = 8  # folders of other sources or versions: the ones used last stay, and all used in a day
_KEPT_S = 86_400.0
_numba: Any = numba_config
_LOG = logging.getLogger("unstuck")


def compiled(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Compile a function of numbers and arrays to machine code at its first call.

    A second function of the same module and name replaces the first one in every module (see above).
    """
    key = (function.__module__, function.__qualname__)
    if key in _compiled:
        _replace(key, function)
    else:
        _compiled[key] = _dispatcher(key, function)
    return _compiled[key]


def compiled_part(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """As `compiled`, for a function that only compiled functions call: it takes half as long to compile."""
    _parts.add((function.__module__, function.__qualname__))
    return compiled(function)


def compiled_in_order(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """As `compiled_part`, and sums keep their order: vectorised, a sum over scattered places is slower."""
    _in_order.add((function.__module__, function.__qualname__))
    return compiled_part(function)


class _StoredCode(FunctionCache):
    """The compiled code of one function on disk; a file that cannot be read is made again."""

    def __init__(self, function: Callable[..., Any], folder: Path) -> None:
        before, _numba.CACHE_DIR = _numba.CACHE_DIR, str(folder)
        try:
            super().__init__(function)
        finally:
            _numba.CACHE_DIR = before

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Compiled code for one signature, or None if it has to be compiled."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as fault:  # reading a damaged file can raise anything
            _LOG.warning(
                "unstuck: compiled code in %s is damaged (%s); it is compiled again",
                self.cache_path,
                type(fault).__name__,
            )
            try:
                self.flush()
            except OSError:
                self.disable()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store compiled code; a full or read-only disk costs time, and no run."""
        try:
            super().save_overload(sig, data)
        except OSError as fault:
            self.disable()
            _LOG.warning("unstuck: compiled code cannot be stored in %s: %s", self.cache_path, fault)


def _dispatcher(key: tuple[str, str], function: Callable[..., Any]) -> Any:
    # Inlined by force: otherwise a run that compiles and a run that loads from the cache can take copies of a
    # rule that round differently.
    options: dict[str, Any] = {
        "forceinline": True,
        "fastmath": _FLOATING_POINT - {"reassoc"} if key in _in_order else _FLOATING_POINT,
        "error_model": "numpy",
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": key in _parts,
    }
    made: Any = numba.njit(**options)(function)
    if _folder is not None and hasattr(made, "_cache"):  # without NUMBA_DISABLE_JIT
        with suppress(RuntimeError):  # the folder was removed: numba finds no place
            stored = _StoredCode(function, _folder)
            if _folder in Path(stored.cache_path).parents:
                made._cache = stored
    return made


def _replace(key: tuple[str, str], function: Callable[..., Any]) -> None:
    """Put a changed function in place of the old one, and let everything be compiled again."""
    global _folder
    _folder = None
    version.sources.cache_clear()
    sources = {**{name: getattr(old, "py_func", old) for name, old in _compiled.items()}, key: function}
    new = {id(old): _dispatcher(name, sources[name]) for name, old in _compiled.items()}
    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if id(value) in new:
                setattr(module, name, new[id(value)])
    _compiled.update({name: new[id(old)] for name, old in _compiled.items()})


def _folder_of_these_sources() -> Path | None:
    """The folder for the compiled code of these sources; None if there is no place to store it."""
    python = ".".join(map(str, sys.version_info[:2]))
    name = f"{version.sources()}-numba-{numba.__version__}-python-{python}"
    for place in _places():
        folder = place / name
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            os.utime(folder)  # used now
            tempfile.TemporaryFile(dir=folder).close()
            _remove_old(place)
            return folder
    _LOG.warning("unstuck: compiled code cannot be stored; every start takes half a minute longer")
    return None


def _places() -> Iterator[Path]:
    """Where compiled code can be stored: the user's cache, else a folder of the user for temporary files."""
    yield Path(_numba.CACHE_DIR or user_cache_dir()) / "unstuck" / "compiled"
    with suppress(OSError):
        place = Path(tempfile.gettempdir()) / f"unstuck-{os.getuid() if hasattr(os, 'getuid') else 'code'}"
        place.mkdir(mode=0o700, exist_ok=True)
        about = place.lstat()
        if not hasattr(os, "getuid") or (about.st_uid == os.getuid() and not about.st_mode & 0o022):
            yield place


def _remove_old(place: Path) -> None:
    """Remove folders of other sources that were not used for a day, but for the last few."""
    used = {folder: folder.stat().st_mtime for folder in place.iterdir()}
    for folder in sorted(used, key=lambda each: used[each])[:-_KEPT_FOLDERS]:
        if time.time() - used[folder] > _KEPT_S:
            rmtree(folder, ignore_errors=True)


# A reload of this module keeps what is compiled.
_compiled: dict[tuple[str, str], Any] = globals().get("_compiled", {})
_parts: set[tuple[str, str]] = globals().get("_parts", set())
_in_order: set[tuple[str, str]] = globals().get("_in_order", set())
_folder = None if _compiled else _folder_of_these_sources()
