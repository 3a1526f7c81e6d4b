"""Unstuck: an agent-based model of circuit plasticity, for research and teaching, not medical advice."""

__version__ = "0.1.0"
