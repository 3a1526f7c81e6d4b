"""Which findings fall when one mechanism is switched off.

A mechanism is switched off through values at which its rule does nothing (`mechanisms.yaml`), in a circuit
that was balanced with it: biases and the healthy rates etap and etad stay. Arms that start healthy lose it
from the beginning; treatment arms start from the intact model's stuck checkpoint and use its recovery index.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from unstuck.circuit import Circuit, Wiring
from unstuck.files.yaml import choose
from unstuck.parameters import RuleParameters

from unstuck_analysis.evidence.arms import Alter
from unstuck_analysis.evidence.findings import Evidence, Finding
from unstuck_analysis.evidence.mechanisms import Mechanism, mechanisms

CUT = (
    1e-6  # what is left of a projection that is cut; not 0, so that strengths relative to health stay defined
)


def switched_off(name: str) -> Alter:
    """What takes a mechanism from a patient."""
    mechanism = mechanisms()[name]
    return lambda patient: replace(patient, circuit=circuit_without(patient.circuit, mechanism))


def circuit_without(circuit: Circuit, mechanism: Mechanism) -> Circuit:
    """The same circuit, balanced as it was, without a mechanism."""
    of_rules = {symbol: v for symbol, v in mechanism.values.items() if symbol in RuleParameters._fields}
    return replace(
        circuit,
        parameters=circuit.parameters.with_values(**mechanism.values),
        rules=circuit.rules._replace(**of_rules),
        wiring=_cut(circuit, mechanism.cut) if mechanism.cut else circuit.wiring,
    )


def _cut(circuit: Circuit, projections: Sequence[str]) -> Wiring:
    plastic = circuit.wiring.plastic
    numbers = [
        circuit.projections.index(choose(name, circuit.projections, "projection")) for name in projections
    ]
    left = np.where(np.isin(plastic.projection, numbers), CUT, 1.0)
    return circuit.wiring._replace(plastic=plastic._replace(weight=plastic.weight * left))


@dataclass(frozen=True)
class Matrix:
    """The intact model's findings and, by mechanism, the findings without it."""

    intact: Evidence
    without: dict[str, Evidence]

    def falls(self, mechanism: str, row: int) -> bool | None:
        """Whether a finding that holds in the intact model is lost; None where that cannot be said."""
        before, after = self.intact.findings[row], self.without[mechanism].findings[row]
        return None if not before.passed or after.passed is None else not after.passed

    def fallen(self, mechanism: str) -> list[str]:
        """Rows that fall without a mechanism."""
        rows = range(len(self.intact.findings))
        return [self.intact.findings[row].fact.id for row in rows if self.falls(mechanism, row)]


def shift(before: Finding, after: Finding) -> float:
    """How far the decisive number of a row moved, in widths of its band (NaN if there is none)."""
    position = after.parts.index(after.worst)
    return (after.worst.value - before.parts[position].value) / after.worst.width


def matrix_rows(matrix: Matrix) -> list[dict[str, object]]:
    """The matrix as a tidy table: one line a finding and mechanism (`mechanisms.csv`)."""
    rows: list[dict[str, object]] = []
    for mechanism, evidence in matrix.without.items():
        for number, (before, after) in enumerate(zip(matrix.intact.findings, evidence.findings, strict=True)):
            falls = matrix.falls(mechanism, number)
            rows.append(
                {
                    "id": after.fact.id,
                    "role": after.fact.role,
                    "statement": after.fact.statement,
                    "without": mechanism,
                    "intact_value": before.worst.value,
                    "intact": before.verdict,
                    "value": after.worst.value,
                    "falls": "n/a" if falls is None else "yes" if falls else "no",
                    "shift_in_bands": shift(before, after),
                }
            )
    return rows
