"""Checks of a circuit that need a simulation: is health stable, and does stress make it ill?

The numbers are kept on disk under a name made of all that decides them, so that a circuit is simulated once.
"""

import contextlib
import json
import os
from functools import cache
from math import inf, nan
from pathlib import Path
from typing import NamedTuple

from unstuck.files.circuit import CircuitFile
from unstuck.files.numbers import check_circuit_numbers
from unstuck.files.treatment import Treatment
from unstuck.files.yaml import Places
from unstuck.parameters import default_parameters
from unstuck.version import digest_of_texts, sources_on_disk


class Verdict(NamedTuple):
    """Rates of return to health per day, and the primary readout after stress and rest."""

    above: float
    below: float
    stuck: float


def runnable_treatment(name_or_path: str, circuit: str = "") -> Treatment:
    """Read a treatment that is to be run; InputError if its circuit does not come back to health.

    circuit: name or path of another circuit than that of the file.
    """
    treatment = Treatment(name_or_path, circuit)
    check_health(treatment.circuit, treatment.circuit_places)
    return treatment


def check_circuit(file: CircuitFile, places: Places) -> None:
    """InputError for an unknown symbol, a value out of range, or a healthy state that is not stable."""
    check_circuit_numbers(file, places)
    check_health(file, places)


def check_health(file: CircuitFile, places: Places) -> Verdict:
    """InputError for a circuit that does not come back to health after a small change."""
    verdict = _verdict(file.model_dump_json(), tuple(default_parameters().items()))
    if not max(verdict.above, verdict.below) < 0.0:
        raise places.error(
            places.own(("projections",)),
            "no healthy state: the circuit does not come back to health after a small change"
            f" ({verdict.above:+.4f} per day from above, {verdict.below:+.4f} from below; both must be"
            " negative);"
            " make excitation weaker or inhibition stronger",
        )
    return verdict


def check_illness(file: CircuitFile, places: Places) -> list[str]:
    """Sentences about health and illness; InputError for a circuit that stress does not make ill."""
    verdict, name, readout = check_health(file, places), file.readout_name, file.readout
    if not readout.is_ill(verdict.stuck):
        side = "at most" if readout.ill_when == "weaker" else "at least"
        raise places.error(
            places.own(("readouts", name) if file.readouts else ("roles", "readout")),
            "the typical patient never becomes ill: after 6 weeks of full stress and 60 days of rest"
            f" {name} is"
            f" {verdict.stuck:.3f} of health, and ill is {side} {readout.limit:g}; raise the effect of"
            " stress (stress_on_bdnf, scar_on_bdnf of the populations that receive these connections)",
        )
    return [
        f"Return to health after a small change: rate {verdict.above:+.4f} per day from above,"
        f" {verdict.below:+.4f} from below.",
        f"Ill after 6 weeks of stress and 60 days of rest: {name} is {verdict.stuck:.3f} of health.",
    ]


@cache  # by content: many treatments share a circuit, and files with mappings cannot be keys
def _verdict(circuit_json: str, values: tuple[tuple[str, float], ...]) -> Verdict:
    path = _verdict_path(circuit_json, values)
    with contextlib.suppress(OSError, ValueError, TypeError):
        return Verdict(*json.loads(path.read_text()))
    verdict = _simulated(circuit_json, values)
    with contextlib.suppress(OSError):  # a verdict that cannot be kept is worked out again
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(verdict))
    return verdict


def _simulated(circuit_json: str, values: tuple[tuple[str, float], ...]) -> Verdict:
    # Here, because all import numba, which most checks do without.
    from unstuck.circuit import mean_field_circuit
    from unstuck.engine.step import RunError
    from unstuck.patient.stability import rates_of_return, stuck_readout

    file, parameters = (
        CircuitFile.model_validate_json(circuit_json),
        default_parameters().with_values(**dict(values)),
    )
    try:
        rates = rates_of_return(mean_field_circuit(file, parameters))
        return Verdict(*rates, stuck_readout(file, parameters) if max(rates) < 0.0 else nan)
    except RunError:
        return Verdict(inf, inf, nan)


def _verdict_path(circuit_json: str, values: tuple[tuple[str, float], ...]) -> Path:
    """Where the verdict on a circuit is kept: its name covers the circuit, the parameters and the model."""
    name = digest_of_texts(circuit_json, repr(values), sources_on_disk())
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache_folder / "unstuck" / "health" / name
