"""What a researcher does with the model: compare treatments, run studies, report.

`from unstuck_analysis import Study, Results` is the way in from Python.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unstuck_analysis.study.file import Study
    from unstuck_analysis.study.results import Results

__all__ = ["Results", "Study"]


def __getattr__(name: str) -> Any:
    """Import on first use, so that the command line answers quickly."""
    if name == "Study":
        from unstuck_analysis.study.file import Study

        return Study
    if name == "Results":
        from unstuck_analysis.study.results import Results

        return Results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
