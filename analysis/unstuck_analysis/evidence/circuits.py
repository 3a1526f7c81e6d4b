"""How the findings about other illnesses are measured: anxiety (A01 to AT09) and OCD (O01 to OT11).

In a cohort of these circuits a rating is the mean readout of the 7 days that end on a day, also on day 0. A
relapse is 28 days in a row with R 0.2 below a response. Where a table says that a drug is given "from stuck",
it is given from day 0 on. Source of the protocols: the tables of findings (anxiety.csv, ocd.csv), which name
strengths of inputs and drugs; the treatments are in scenarios/evidence.
"""

from operator import sub, truediv

from unstuck_analysis.evidence.findings import (
    RESPONSE_DAY,
    Recorded,
    combined,
    finding,
    reading,
    relapses,
    share,
    typical,
    typical_parts,
)

VALUE, GROWTH = "connectivity", "readout_growth"  # the primary readout; mean strength of what grows
BENZODIAZEPINE, GABA = "benzodiazepine-42d-off-14d", "gaba-up-fifth-57d"
HIGH, LOW = "ssri-88-84d", "ssri-76-84d"  # SSRI at occupancies of 0.88 and 0.76
STIMULATED, HABIT = "ofc-stimulation-6d", "strength_OFC_P > D1"
SILENCED, OFF_DAY = "d1-silenced-90d-off-28d", 90.0
ON_DAY = OFF_DAY - 0.01  # the last reading during stimulation
HOUR = 1 / 24


def _grown(late: float, early: float) -> float:
    """How much of a growth of strength is left."""
    return (late - 1.0) / (early - 1.0)


def _share_of(*true: bool) -> float:
    """Share of some statements that are true."""
    return sum(true) / len(true)


typical("A01", "healthy", 60, VALUE)
typical_parts("A02", {"x1.1": ("large-gain", 60, VALUE), "x0.9": ("small-knock", 60, VALUE)})
typical("A03", "stress-7d", 60, VALUE)
typical("A04", "stress-10d", 0, GROWTH)
combined("A05", _grown, ("stress-10d", 21, GROWTH), ("stress-10d", 0, GROWTH))
typical("A06", "untreated-84d", 0, VALUE)
typical("A07", "stress-10d", 21, "bdnf_BLA_P")
typical("A08", "ssri-84d", 1)
typical("A09", "ssri-84d", 84)
combined("A10", truediv, ("ssri-84d", 28), ("ssri-84d", 84))
typical("A11", BENZODIAZEPINE, 2 * HOUR)
combined("A12", truediv, (BENZODIAZEPINE, 41), (BENZODIAZEPINE, 2 * HOUR))
typical("A13", BENZODIAZEPINE, 56)
combined("A14", _grown, ("stress-10d-tianeptine", 0, GROWTH), ("stress-10d", 0, GROWTH))
typical("A15", "ketamine-once", 1)
typical("A16", "ketamine-once", 7)
typical("A17", "ketamine-once", 21)
share("A18", "ssri-84d", RESPONSE_DAY)
relapses("A19", "ssri-84d", "ssri-84d-stop-year", 0.3, 28, "healthy-year")


def _slower_but_similar(early: float, early_other: float, late: float, late_other: float) -> float:
    """Share of: below another drug on the early day, and at least half of it on the late day."""
    return _share_of(early < early_other, late >= 0.5 * late_other)


combined(
    "AT01",
    _slower_but_similar,
    *(("buspirone-29d", 7), (GABA, 7), ("buspirone-29d", 28), (GABA, 28)),
)
typical("AT02", "tianeptine-84d", 1)
typical("AT03", "tianeptine-84d", 28)
typical("AT04", "ssri-5ht2c-blocked-2d", 1)
typical("AT05", "raphe-stimulation-once", HOUR, VALUE)


def _recovered_less_shrunk(lost: float, lost_later: float, grown: float, grown_later: float) -> float:
    """Share of a loss of strength that is recovered, less the share of a growth that no longer exists."""
    return (lost_later - lost) / (1.0 - lost) - (1.0 - _grown(grown_later, grown))


combined(
    "AT06",
    _recovered_less_shrunk,
    *(("stress-10d", day, what) for what in ("strength_IL_P > vHPC_P", GROWTH) for day in (0, 21)),
)
share("AT07", "untreated-events-365d", 365)
typical("AT08", "stress-10d", 0, "strength_IL_P > BLA_I")
combined("AT09", sub, (GABA, 56), ("ssri-84d", 56))

typical("O01", "healthy", 60, VALUE)
typical_parts("O02", {"x1.1": ("large-gain", 60, VALUE), "x0.9": ("small-knock", 60, VALUE)})
typical("O03", "stress-7d", 60, VALUE)
typical("O04", "untreated-84d", 0, VALUE)
combined(
    "O05",
    lambda habit, control: _share_of(habit > 1.05, control < 0.95),
    ("untreated-84d", 0, HABIT),
    ("untreated-84d", 0, "strength_ACC_P > D2"),
)
combined("O06", lambda strength: strength - 1.0, (STIMULATED, 6, HABIT))
combined("O07", _grown, (STIMULATED, 20, HABIT), (STIMULATED, 6, HABIT))
combined("O08", lambda strength: strength - 1.0, ("ofc-stimulation-once", 3, HABIT))
typical("O09", HIGH, 2)
typical("O10", HIGH, 84)
combined("O11", truediv, (HIGH, 14), (HIGH, 84))
combined("O12", truediv, (HIGH, 84), (LOW, 84))
typical("O13", "ketamine-once", 1)
typical("O14", "ketamine-once", 7)
relapses("O15", HIGH, "ssri-88-84d-stop-168d", 0.15, 28, "healthy-year")


@finding("O16", HIGH)
def activity_after_recovery(data: Recorded) -> dict[str, float]:
    """Activity on day 84 of an SSRI minus that when stuck."""
    return {
        name: reading(data, HIGH, 84, f"activity_{name}") - reading(data, HIGH, 0, f"activity_{name}")
        for name in ("OFC_P", "D1")
    }


share("OT01", HIGH, RESPONSE_DAY, at_least=0.35)
combined("OT02", sub, ("ssri-88-84d-depletion", 85), ("ssri-88-84d-depletion", 84))
typical("OT03", SILENCED, ON_DAY)
typical("OT04", SILENCED, OFF_DAY + 28)
combined("OT05", sub, ("ssri-88-d2-input-29d", 28), (HIGH, 28))
typical("OT06", "striatal-interneurons-driven-once", HOUR)
share("OT07", "untreated-events-365d", 365)
typical("OT08", GABA, 28)
combined("OT09", truediv, (HIGH, 84), (LOW, 84), circuit="default")
combined(
    "OT10",
    lambda grown, *lost: _share_of(1.15 <= grown <= 1.6, 0.7 <= sum(lost) / 2 <= 0.95),
    *(("stress-21d", 0, f"strength_{ends}") for ends in ("TH_P > OFC_P", "OFC_P > ACC_P", "TH_P > ACC_P")),
)
combined(
    "OT11",
    lambda loop, cingulate: _share_of(loop > 1.005, cingulate > 1.05),
    ("acc-silenced-once", HOUR, VALUE),
    ("ketamine-once", HOUR, "activity_ACC_P"),
)
