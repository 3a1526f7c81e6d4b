"""Files that people write: read, checked in themselves, and found. Loads no numba."""
