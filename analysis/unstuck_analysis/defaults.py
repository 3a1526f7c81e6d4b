"""What is used where nothing else is asked for."""

UNTREATED = "untreated"  # the shipped treatment without a drug: its stress and rest lead to day 0
TREATMENTS = (UNTREATED, "ssri-like", "ssre-only", "tianeptine-like", "ketamine-like")
PATIENTS, NEURONS, SEED = 16, 500, 1
HIGHEST_SEED = 2**32 - 1
