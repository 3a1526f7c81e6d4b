"""The check of a circuit that needs a simulation: does it come back to health after a small change?

Its verdict is kept on disk under a name made of all that decides it, so that a circuit is simulated once.
"""

import contextlib
import os
from functools import cache
from pathlib import Path

from unstuck.files.circuit import CircuitFile
from unstuck.files.numbers import check_circuit_numbers
from unstuck.files.treatment import Treatment
from unstuck.files.yaml import Places
from unstuck.parameters import default_parameters
from unstuck.version import digest_of_texts, sources_on_disk


def runnable_treatment(name_or_path: str) -> Treatment:
    """Read a treatment that is to be run; InputError if its circuit does not come back to health."""
    treatment = Treatment(name_or_path)
    check_health(treatment.circuit, treatment.circuit_places)
    return treatment


def check_circuit(file: CircuitFile, places: Places) -> None:
    """InputError for an unknown symbol, a value out of range, or a healthy state that is not stable."""
    check_circuit_numbers(file, places)
    check_health(file, places)


def check_health(file: CircuitFile, places: Places) -> None:
    """InputError for a circuit that does not come back to health when its plastic strengths change."""
    if not _comes_back_to_health(file.model_dump_json(), tuple(default_parameters().items())):
        raise places.error(
            ("projections",),
            "no healthy state: the circuit does not come back to health when all plastic strengths change by"
            " +1 % and -2 %; make excitation weaker or inhibition stronger",
        )


@cache  # by content: many treatments share a circuit, and files with mappings cannot be keys
def _comes_back_to_health(circuit_json: str, values: tuple[tuple[str, float], ...]) -> bool:
    verdict = _verdict_path(circuit_json, values)
    with contextlib.suppress(OSError):
        return verdict.read_text() == "healthy"
    healthy = _simulated_health(circuit_json, values)
    with contextlib.suppress(OSError):  # a verdict that cannot be kept is worked out again
        verdict.parent.mkdir(parents=True, exist_ok=True)
        verdict.write_text("healthy" if healthy else "not healthy")
    return healthy


def _simulated_health(circuit_json: str, values: tuple[tuple[str, float], ...]) -> bool:
    # Here, because both import numba, which most checks do without.
    from unstuck.engine.step import RunError
    from unstuck.patient.stability import healthy_is_attractor

    try:
        parameters = default_parameters().with_values(**dict(values))
        return healthy_is_attractor(CircuitFile.model_validate_json(circuit_json), parameters)
    except RunError:
        return False


def _verdict_path(circuit_json: str, values: tuple[tuple[str, float], ...]) -> Path:
    """Where the verdict on a circuit is kept: its name covers the circuit, the parameters and the model."""
    name = digest_of_texts(circuit_json, repr(values), sources_on_disk())
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_folder / "unstuck" / "healthy" / name
