"""What drugs, stress and other perturbations can act on, and how several of them combine on one target.

Each target and mode of a drug file names one field of `Effects`, and one law by which contributions add up:

    compete    occupancies of ligands for one site: odds add, o / (1 - o) = sum o_k / (1 - o_k)  (Gaddum 1937)
    add        contributions add
    multiply   factors multiply
    together   independent blocks: 1 - (1 - a)(1 - b)

Source: model description, section 7.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf, prod
from typing import Literal, NamedTuple

Law = Literal["compete", "add", "multiply", "together"]


class Effects(NamedTuple):
    """Momentary effects on every target; the default is a healthy, undrugged, unstressed circuit."""

    stress: float = 0.0
    sert_occupancy: float = 0.0
    sert_vmax: float = 1.0
    sert_follows_trkb: float = 0.0
    ampa: float = 0.0
    ampa_block: float = 0.0
    nmda_interneuron: float = 0.0
    nmda_pyramidal: float = 0.0
    agonist_1a: float = 0.0
    antagonist_1a: float = 0.0
    agonist_1b: float = 0.0
    antagonist_1b: float = 0.0
    gain_2a: float = 0.0
    antagonist_2a: float = 0.0
    release_gain: float = 1.0
    bdnf_gain: float = 1.0
    trkb_drive: float = 0.0
    trkb_block: float = 0.0
    gaba_gain: float = 1.0


NO_EFFECT = Effects()


@dataclass(frozen=True)
class Mode:
    """One way of acting on a target: the field it moves, how contributions combine, what values make sense.

    A contribution of a multiplying mode is a factor; `sign` -1 means that the strength given lowers the
    factor (a depletion of 0.4 leaves 0.6). highest is the largest strength allowed at the usual dose.
    """

    field: str
    law: Law
    meaning: str
    sign: float = 1.0
    highest: float = inf

    @property
    def is_share(self) -> bool:
        """Whether the strength is a share of at most 1, so that more of a drug multiplies its odds."""
        return self.highest <= 1.0 and self.law != "add"


TARGETS: dict[str, dict[str, Mode]] = {
    "sert.occupancy": {"block": Mode("sert_occupancy", "compete", "share of SERT blocked", highest=1.0)},
    "sert.vmax": {
        "enhance": Mode("sert_vmax", "multiply", "SERT Vmax raised by this share"),
        "follow-trkb": Mode("sert_follows_trkb", "add", "gain e_v of SERT Vmax that follows raphe TrkB"),
    },
    "ampa": {
        "potentiate": Mode("ampa", "add", "AMPA drive raised by this share"),
        "block": Mode("ampa_block", "together", "share of AMPA drive blocked", highest=1.0),
    },
    "nmda.interneuron": {
        "block": Mode("nmda_interneuron", "compete", "NMDA block, interneurons", highest=1.0)
    },
    "nmda.pyramidal": {"block": Mode("nmda_pyramidal", "compete", "NMDA block, other cells", highest=1.0)},
    "receptor.5ht1a": {
        "agonist": Mode("agonist_1a", "compete", "occupancy times efficacy", highest=1.0),
        "antagonist": Mode("antagonist_1a", "compete", "occupancy", highest=1.0),
    },
    "receptor.5ht1b": {
        "agonist": Mode("agonist_1b", "compete", "occupancy times efficacy", highest=1.0),
        "antagonist": Mode("antagonist_1b", "compete", "occupancy", highest=1.0),
    },
    "receptor.5ht2a": {
        "agonist": Mode("gain_2a", "add", "gain P2A of pyramidal drive"),
        "antagonist": Mode("antagonist_2a", "compete", "occupancy", highest=1.0),
    },
    "serotonin.release": {
        "deplete": Mode("release_gain", "multiply", "share of release lost", sign=-1.0, highest=1.0),
        "lesion": Mode("release_gain", "multiply", "share of release lost", sign=-1.0, highest=1.0),
    },
    "bdnf.synthesis": {
        "down": Mode("bdnf_gain", "multiply", "share of synthesis lost", sign=-1.0, highest=1.0),
        "up": Mode("bdnf_gain", "multiply", "synthesis raised by this share"),
    },
    "trkb.drive": {"up": Mode("trkb_drive", "add", "TrkB signalling added (healthy = 1)")},
    "trkb.block": {"block": Mode("trkb_block", "together", "share of TrkB signalling blocked", highest=1.0)},
    "gaba.gain": {
        "down": Mode("gaba_gain", "multiply", "share of inhibition lost", sign=-1.0, highest=1.0),
        "up": Mode("gaba_gain", "multiply", "inhibition raised by this share"),
    },
    "region.input": {"drive": Mode("region_input", "add", "drive added to a region's principal cells")},
    "stress": {"stress": Mode("stress", "add", "stress added (0 to 1 in all)", highest=1.0)},
}


def competing(occupancies: Iterable[float]) -> float:
    """Joint occupancy of one site by several ligands, each given as its occupancy alone (0 to 1)."""
    odds = 0.0
    for occupancy in occupancies:
        if occupancy >= 1.0:
            return 1.0
        odds += occupancy / (1.0 - occupancy)
    return odds / (1.0 + odds)


def combine(law: Law, contributions: Iterable[float]) -> float:
    """The joint effect of several contributions under one law (factors for `multiply`)."""
    if law == "compete":
        return competing(contributions)
    if law == "multiply":
        return prod(contributions)
    if law == "together":
        return 1.0 - prod(1.0 - share for share in contributions)
    return sum(contributions)
