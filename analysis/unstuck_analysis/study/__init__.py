"""Studies: a plan of runs, a store of results, and the processes that work through it."""
