"""Unstuck: an agent-based model of circuit plasticity, for research and teaching, not medical advice."""

import importlib
from typing import Any

__version__ = "0.1.0"

_LAZY = {
    "view": "unstuck_analysis.view",
    "Trial": "unstuck_analysis.trial",
}  # name -> module, loaded when the name is first used


def __getattr__(name: str) -> Any:
    """Load a name of the upper layers, which this package must not import."""
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'unstuck' has no attribute {name!r}")
