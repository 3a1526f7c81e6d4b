"""Patients: how they are drawn, what happens to them, and checks that need a run."""
