"""What drugs, stress and other perturbations can act on, and how several of them combine on one target.

Each target and mode of a drug file names one field of `Effects`, and one law by which contributions combine:

    add        contributions add
    gain       shares gained or lost add, at least -1 (nothing is left)
    multiply   factors multiply
    together   independent occupancies or blocks: 1 - product of (1 - x)
    largest    the largest counts
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf, prod
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # files are checked without numpy
    import numpy as np
    import numpy.typing as npt

Law = Literal["add", "gain", "multiply", "together", "largest"]


class Effects(NamedTuple):
    """What acts at one moment; the default is a healthy circuit without drugs and stress."""

    stress: float = 0.0
    sert_occupancy: float = 0.0
    sert_vmax_factor: float = 1.0
    sert_follows_trkb: float = 0.0
    ampa: float = 0.0
    nmda_block_interneuron: float = 0.0
    nmda_block_principal: float = 0.0
    agonist_5ht1a: float = 0.0
    antagonist_5ht1a: float = 0.0
    agonist_5ht1b: float = 0.0
    antagonist_5ht1b: float = 0.0
    agonist_heteroreceptor: float = 0.0
    antagonist_heteroreceptor: float = 0.0
    antagonist_5ht2c: float = 0.0
    gain_5ht2a: float = 0.0
    release_gain: float = 1.0
    bdnf_gain: float = 1.0
    trkb_drive: float = 0.0
    trkb_facilitation: float = 0.0
    trkb_block: float = 0.0
    gaba_gain: float = 1.0
    net_occupancy: float = 0.0


NO_EFFECT = Effects()


class Local(NamedTuple):
    """What acts on one population in addition, where a drug names regions or populations."""

    stress_effect: float = 1.0
    ampa: float = 0.0
    nmda_block: float = 0.0
    gaba_gain: float = 1.0
    input_drive: float = 0.0


NOTHING_LOCAL = Local()
# Fields that a drug may change in some regions or populations alone: the field of `Local` that they become.
LOCAL_FIELDS = {
    "stress_effect": "stress_effect",
    "ampa": "ampa",
    "nmda_block_interneuron": "nmda_block",
    "nmda_block_principal": "nmda_block",
    "gaba_gain": "gaba_gain",
    "region_input": "input_drive",
}


def compiled_effects() -> "Callable[[npt.NDArray[np.float64]], Effects]":
    """`Effects(*row)` for compiled code: the effects from a row of numbers in the order of their fields."""
    import numba

    parts = ", ".join(f"row[{k}]" for k in range(len(Effects._fields)))
    made: dict[str, Callable[..., Effects]] = {}
    exec(f"def effects_of(row):\n    return Effects({parts})", {"Effects": Effects}, made)
    return numba.njit(forceinline=True)(made["effects_of"])


@dataclass(frozen=True)
class Mode:
    """A way of acting on a target: the field it changes, how contributions combine, which values are valid.

    A contribution of a multiplying mode is a factor. `sign` -1 means that the strength given lowers the field
    (a depletion of 0.4 is a factor of 0.6, an AMPA block of 0.4 is a gain of -0.4). highest is the largest
    strength allowed at the usual dose.
    """

    field: str
    law: Law
    meaning: str
    sign: float = 1.0
    highest: float = inf

    @property
    def is_share(self) -> bool:
        """Whether the strength is a share of at most 1, so that more of a drug multiplies its odds."""
        return self.highest <= 1.0

    @property
    def nothing(self) -> float:
        """The value of the field without any contribution."""
        return 1.0 if self.law == "multiply" else 0.0

    def contribution(self, strength: float) -> float:
        """What a strength, as given in a drug file, contributes to the field."""
        return 1.0 + self.sign * strength if self.law == "multiply" else self.sign * strength


TARGETS: dict[str, dict[str, Mode]] = {
    "sert.occupancy": {"block": Mode("sert_occupancy", "together", "share of SERT blocked", highest=1.0)},
    "sert.vmax": {
        "enhance": Mode("sert_vmax_factor", "multiply", "SERT Vmax raised by this share"),
        "lower": Mode("sert_vmax_factor", "multiply", "share of SERT Vmax lost", sign=-1.0, highest=1.0),
        "follow-trkb": Mode("sert_follows_trkb", "add", "gain e_v of SERT Vmax that follows raphe TrkB"),
    },
    "net.occupancy": {
        "block": Mode(
            "net_occupancy", "together", "share of the noradrenaline transporter blocked", highest=1.0
        )
    },
    "ampa": {
        "potentiate": Mode("ampa", "gain", "AMPA drive raised by this share"),
        "block": Mode("ampa", "gain", "share of AMPA drive lost", sign=-1.0, highest=1.0),
    },
    "nmda.interneuron": {
        "block": Mode(
            "nmda_block_interneuron", "together", "share of NMDA receptors blocked, interneurons", highest=1.0
        )
    },
    "nmda.pyramidal": {
        "block": Mode(
            "nmda_block_principal",
            "together",
            "share of NMDA receptors blocked, pyramidal and serotonergic cells",
            highest=1.0,
        )
    },
    "receptor.5ht1a": {
        "agonist": Mode("agonist_5ht1a", "together", "occupancy times efficacy", highest=1.0),
        "antagonist": Mode("antagonist_5ht1a", "together", "occupancy", highest=1.0),
    },
    "receptor.5ht1b": {
        "agonist": Mode("agonist_5ht1b", "together", "occupancy times efficacy", highest=1.0),
        "antagonist": Mode("antagonist_5ht1b", "together", "occupancy", highest=1.0),
    },
    "receptor.heteroreceptor": {
        "agonist": Mode("agonist_heteroreceptor", "together", "occupancy times efficacy", highest=1.0),
        "antagonist": Mode("antagonist_heteroreceptor", "together", "occupancy", highest=1.0),
    },
    "receptor.5ht2c": {"antagonist": Mode("antagonist_5ht2c", "together", "occupancy", highest=1.0)},
    "receptor.5ht2a": {
        "gain": Mode("gain_5ht2a", "add", "excitatory drive of pyramidal cells raised by this share")
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
    "trkb.facilitation": {
        "up": Mode("trkb_facilitation", "add", "TrkB signalling by released BDNF raised by this share")
    },
    "trkb.block": {"block": Mode("trkb_block", "together", "share of TrkB signalling blocked", highest=1.0)},
    "gaba.gain": {
        "down": Mode("gaba_gain", "multiply", "share of inhibition lost", sign=-1.0, highest=1.0),
        "up": Mode("gaba_gain", "multiply", "inhibition raised by this share"),
    },
    "region.input": {
        "drive": Mode("region_input", "add", "drive added to a region's pyramidal and serotonergic cells"),
        "inhibit": Mode("region_input", "add", "drive taken from the same cells", sign=-1.0),
    },
    "stress.effect": {
        "lower": Mode(
            "stress_effect", "multiply", "share of stress that no longer acts", sign=-1.0, highest=1.0
        )
    },
    "stress": {"stress": Mode("stress", "largest", "stress (0 to 1)", highest=1.0)},
}


def combine(law: Law, contributions: Iterable[float]) -> float:
    """The joint effect of several contributions under one law (factors for `multiply`)."""
    if law == "multiply":
        return prod(contributions)
    if law == "together":
        return 1.0 - prod(1.0 - share for share in contributions)
    if law == "largest":
        return max(contributions, default=0.0)
    total = sum(contributions)
    return max(-1.0, total) if law == "gain" else total
