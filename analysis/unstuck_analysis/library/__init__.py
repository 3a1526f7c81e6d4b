"""The shipped files and one's own: list them, show them, check them."""
