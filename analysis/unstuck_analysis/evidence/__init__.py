"""Which published finding the model reproduces, and which it was fitted to.

facts.csv + protocols.yaml -> runs (stored, resumable) -> numbers -> verdicts -> table, figure, page
"""
