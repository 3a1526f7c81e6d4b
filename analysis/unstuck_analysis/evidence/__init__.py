"""The published findings, how each is measured, and whether the model reproduces it.

facts.csv -> courses of patients (runs, stored) -> numbers (findings) -> verdicts (measure) -> answer
"""
