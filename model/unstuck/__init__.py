"""Unstuck: an agent-based model of neural circuit plasticity, for research and teaching, not medical advice.

    from unstuck import compare
    compare(["untreated", "ssri-like"], patients=8)

`CircuitModel`, `Results`, `Study`, `Trial`, `compare`, `run` and `view` are loaded when they are first used.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "CircuitModel": "unstuck.circuit_model",
    "Results": "unstuck_analysis.study.results",
    "Study": "unstuck_analysis.study.file",
    "Trial": "unstuck_analysis.trial.run",
    "compare": "unstuck_analysis.compare",
    "run": "unstuck_analysis.compare",
    "view": "unstuck_analysis.view",
}


def __getattr__(name: str) -> Any:
    """Load a name on first use: the import stays quick, and this package must not import upper layers."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'unstuck' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What the package offers, for completion in notebooks."""
    return sorted([*globals(), *_LAZY])
