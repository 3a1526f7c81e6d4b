"""Drugs: concentration over time, effects on targets, and everything that acts on one patient."""
