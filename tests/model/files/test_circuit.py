"""Circuit files of an illness of growth: what contradicts itself is refused with its line, key and remedy."""

from pathlib import Path

import pytest
from unstuck.errors import InputError
from unstuck.files.find import shipped
from unstuck.files.treatment import Treatment, circuit_for, drug_for
from unstuck.parameters import default_parameters, factors_of

FAULTS = {  # text of the shipped file, what replaces it, the key and the words of the message
    "a readout of strength on a projection that is not plastic": (
        "of: [IL_P > BLA_I, IL_P > CEA_I]",
        "of: [BLA_P > CEA_O]",
        "readouts.control.of.0",
        "unknown plastic projection 'BLA_P > CEA_O'",
    ),
    "a scar that raises BDNF where stress lowers it": (
        "     stress_on_bdnf: 0, scar_on_bdnf: mM, homeostasis: homg*etah, heteroreceptor: h1A",
        "     stress_on_bdnf: -stB, scar_on_bdnf: mM, homeostasis: homg*etah, heteroreceptor: h1A",
        "populations.BLA_P.scar_on_bdnf",
        "contradicts stress_on_bdnf -0.5",
    ),
    "a scar that raises BDNF where nothing can grow": (
        "BLA_P > BNST_O: {weight: long, plastic: true, largest: wmaxg,",
        "BLA_P > BNST_O: {weight: long, plastic: true,",
        "populations.BNST_O.scar_on_bdnf",
        "no plastic projection onto BNST_O can grow: give one of them a `largest` above 1.1",
    ),
    "a serotonergic population that feeds no region": (
        "DRV_S: [PL, IL, vHPC, DRV], DRD_S: [BLA, CEA, BNST, DRD]}",
        "DRV_S: [PL, IL, vHPC, DRV, BLA, CEA, BNST, DRD]}",
        "populations.DRD_S.cells",
        "DRD_S feeds no region with serotonin",
    ),
    "a region without serotonin": (
        "DRD_S: [BLA, CEA, BNST, DRD]",
        "DRD_S: [BLA, CEA, DRD]",
        "regions.BNST",
        "no population of roles.serotonin_source feeds region BNST",
    ),
    "a region that is fed twice": (
        "DRD_S: [BLA, CEA, BNST, DRD]",
        "DRD_S: [BLA, CEA, BNST, DRD, PL]",
        "roles.serotonin_source.DRD_S",
        "region PL is fed by DRV_S already",
    ),
    "an unknown factor of a product": (
        "IL_P > BLA_I: {weight: ctl*toAMY",
        "IL_P > BLA_I: {weight: ctl*toAMX",
        "projections.IL_P > BLA_I.weight",
        "unknown parameter 'toAMX', did you mean 'toAMY'?",
    ),
    "an own parameter with the name of a shipped one": (
        "  ctl:\n",
        "  kP:\n",
        "parameters.kP",
        "is a parameter of all circuits",
    ),
    "an own parameter outside its range": (
        "{value: 2, low: 1, high: 3,",
        "{value: 9, low: 1, high: 3,",
        "parameters.ctl.value",
        "9 is not in its range, 1 to 3",
    ),
    "a core that leaves nothing to be lost": (
        "IL_P > CEA_I: {weight: ctl*toAMY, plastic: true,",
        "IL_P > CEA_I: {weight: ctl*toAMY, plastic: true, core: 0.9,",
        "projections.IL_P > CEA_I.core",
        "must be below",
    ),
    "a primary readout that is not there": (
        "primary: fear",
        "primary: fears",
        "primary",
        "did you mean 'fear'?",
    ),
    "readouts and the short form at once": (
        "  overactive: BLA_P\n",
        "  overactive: BLA_P\n  readout: [IL_P > BLA_I]\n",
        "roles.readout",
        "leave it out, or write []: this circuit has readouts",
    ),
}

NORADRENALINE = {  # the same, of the file with the locus coeruleus
    "a noradrenergic population that feeds no region": (
        "{LC_N: {mPFC: kNA, HPC: kNA, LC: kNA}}",
        "{}",
        "populations.LC_N.cells",
        "LC_N feeds no region with noradrenaline",
    ),
    "an autoreceptor without noradrenaline": (
        "HPC: kNA, LC: kNA}",
        "HPC: kNA}",
        "roles.noradrenaline_source.LC_N",
        "no noradrenaline in its own region, LC",
    ),
    "noradrenaline from serotonergic cells": (
        "{LC_N: {mPFC",
        "{DRN_S: {mPFC",
        "roles.noradrenaline_source.DRN_S",
        "unknown noradrenergic population 'DRN_S'",
    ),
    "noradrenaline in an unknown region": (
        "HPC: kNA, LC",
        "HCP: kNA, LC",
        "roles.noradrenaline_source.LC_N",
        "unknown region 'HCP', did you mean 'HPC'?",
    ),
    "a share of clearance above 1": (
        "HPC: kNA, LC",
        "HPC: 2, LC",
        "roles.noradrenaline_source.LC_N.HPC",
        "must be from 1e-06 to 1, not 2",
    ),
    "noradrenaline without its parameters": (
        "  K2A:\n",
        "  K2B:\n",
        "parameters",
        "a circuit with noradrenaline gives also K2A",
    ),
    "a receptor in a region without its transmitter": (
        "populations:\n",
        "populations:\n  NAc_P: {noradrenaline_on_bdnf: 0.1}\n",
        "populations.NAc_P.noradrenaline_on_bdnf",
        "feeds region NAc: mPFC, HPC, LC has noradrenaline",
    ),
    "an effect of noradrenaline without its half-effect": (
        "populations:\n",
        "populations:\n  HPC_P: {noradrenaline_on_bdnf: 0.1}\n",
        "populations.HPC_P.noradrenaline_on_bdnf",
        "give the parameter KSN",
    ),
    "an effect of noradrenaline without a source": (
        "parameters:\n",
        "parameters:\n  KSN: {value: 9, low: 1, high: 20, origin: fitted, meaning: half, source: none}\n",
        "populations.HPC_P.noradrenaline_on_bdnf",
        "an effect of noradrenaline needs a `source`",
    ),
    "synapses of noradrenergic cells": (
        "\nroles:\n",
        "\nprojections:\n  LC_N > DRN_S: {weight: iS}\n\nroles:\n",
        "projections.LC_N > DRN_S",
        "noradrenergic neurons act through the monoamine that they release only",
    ),
}
CASES = {name: ("anxiety", *case) for name, case in FAULTS.items()}
CASES |= {name: ("with-locus-coeruleus", *case) for name, case in NORADRENALINE.items()}


@pytest.mark.parametrize("fault", CASES)
def test_a_circuit_that_contradicts_itself_is_refused_with_its_key(fault: str, tmp_path: Path) -> None:
    circuit, right, wrong, key, message = CASES[fault]
    text = shipped("circuits")[circuit].read_text()
    if fault.endswith("without a source"):  # which needs two changes
        text = text.replace("populations:\n", "populations:\n  HPC_P: {noradrenaline_on_bdnf: 0.1}\n", 1)
    assert right in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(right, wrong, 1))
    with pytest.raises(InputError) as caught:
        circuit_for(str(path))
    first = str(caught.value).splitlines()[0]
    assert first.startswith(f"{path}:")
    assert f":{key}: " in first
    assert message in first
    assert int(first.removeprefix(f"{path}:").split(":")[0]) > 1


def test_a_product_is_a_sign_numbers_and_symbols() -> None:
    assert factors_of("-2*ffi * long") == (-1.0, [2.0, "ffi", "long"])
    p = default_parameters()
    assert p.number("ffi*long") == p["ffi"] * p["long"]
    assert p.number("-mM") == -p["mM"]


def test_a_treatment_runs_in_another_circuit_than_that_of_its_file() -> None:
    assert Treatment("ssri-like").circuit.readout_name == "connectivity"
    assert Treatment("ssri-like", "anxiety").circuit.readout_name == "fear"
    with pytest.raises(InputError, match="did you mean 'anxiety'"):
        Treatment("ssri-like", "anxeity")


DRUG = """title: Stress acts less in one place
class: Tool
usual_every: 24 h
usual_source: assumed
actions:
  - target: {target}
    mode: {mode}
    {where}
    level: {{while_taken: {{value: 0.5, source: assumed}}}}
"""


@pytest.mark.parametrize(
    ("target", "mode", "where", "message"),
    [
        (
            "stress.effect",
            "lower",
            "regions: [BLX]",
            "actions.0.regions.0: unknown region 'BLX', did you mean 'BLA'?",
        ),
        (
            "region.input",
            "drive",
            "populations: [BLA_Q]",
            "unknown population 'BLA_Q', did you mean 'BLA_P'?",
        ),
        ("sert.occupancy", "block", "regions: [BLA]", "actions.0.regions: sert.occupancy acts everywhere"),
        (
            "ampa",
            "potentiate",
            "regions: [BLA]\n    populations: [BLA_P]",
            "give only one of region, regions",
        ),
        ("region.input", "drive", "note: nowhere", "region: needed by region.input"),
    ],
)
def test_a_drug_that_names_a_place_is_checked_against_the_circuit(
    target: str, mode: str, where: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(DRUG.format(target=target, mode=mode, where=where))
    with pytest.raises(InputError) as caught:
        drug_for(circuit_for("anxiety")[0], str(path))
    assert message in str(caught.value)
