"""The published findings, how each is measured, and whether the model reproduces it.

facts.csv -> courses of patients (runs, stored) -> one number per part (findings) -> verdict (measure) -> answer
"""
