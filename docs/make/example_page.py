"""Make docs/example-page.html: the page of `unstuck view --export`, with its three usual treatments."""

import re

from quick_runs import DOCS
from unstuck_analysis.view import prepare

FILE = "example-page.html"


def make(workers: int) -> None:
    """Record three copies of 500 neurons over 12 weeks, and write the page."""
    prepare().write(DOCS / FILE)


def without_recordings(page: str) -> str:
    """The page without what it plays: markup, style and code."""
    return re.sub(r'(<script[^>]* id="setup">).*?(</script>)', r"\1\2", page, flags=re.DOTALL)
