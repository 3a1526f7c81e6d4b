"""Bad files: every fault at its file, line and key, by `check` and by `compare` alike, before any run."""

import os
import time
from pathlib import Path

import pytest
from command_line import Unstuck, fails

SMALL = ("--patients", "1", "--neurons", "100", "--workers", "1")
DRUG = """
title: A drug
class: SSRI
usual_dose: 20 mg
actions:
  - target: sert.occupancy
    mode: block
    level:
      while_taken: {value: 0.5, source: assumed}
"""
TREATMENT = """
title: A treatment
extends: untreated
phases:
  treatment:
    drugs:
      - {drug: ssri-like, dose: 20 mg, every: 1 d, for: 12 weeks}
"""
CIRCUIT = "title: A circuit\nextends: default\n"
NO_STRESS = "populations:" + 3 * "\n  {}: {{stress_on_bdnf: 0, scar_on_bdnf: 0}}" + "\n"
COMPOUND = """
title: A compound
class: SSRI
usual_dose: 20 mg
kinetics:
  route: bolus
  half_life: {value: 1 h, source: assumed}
  dose_concentration: {value: 1 ng/mL, source: assumed}
  molar_mass_g_per_mol: {value: 300, source: assumed}
  published: {accumulation: {value: 2, source: assumed}}
  metabolites:
    product:
      fraction: {value: 1.0, source: assumed}
      half_life: {value: 1 h, source: assumed}
      dose_concentration: {value: 1 nM, source: assumed}
actions: []
"""
PULSE = """
title: A drug
class: Tool
actions:
  - target: trkb.block
    mode: block
    pulse:
      after_dose: {value: 0.5, source: assumed}
      half_life: {value: 1 h, source: assumed}
"""
ADDED = """
title: A treatment
extends: untreated
phases:
  treatment:
    drugs:
      - {drug: ketamine-like, on_days: [28], when: {day: 28, recovery_below: 0.5}}
"""

FAULTS = [
    (DRUG, "class: SSRI", "klass: SSRI", "3:klass", "did you mean 'class'?"),
    (DRUG, "class: SSRI", "class: SSRI\nclass: SNRI", "4:class", "written twice, on lines 3 and 4"),
    (DRUG, "20 mg", "20 kg", "4:usual_dose", "unknown unit 'kg'"),
    (DRUG, "20 mg", "-20 mg", "4:usual_dose", "must not be negative"),
    (DRUG, "20 mg", "0 mg", "4:usual_dose", "more than zero"),
    (DRUG, "20 mg", "20", "4:usual_dose", "without a unit"),
    (DRUG, "sert.occupancy", "sert.ocupancy", "6:actions.0.target", "did you mean 'sert.occupancy'?"),
    (DRUG, "mode: block", "mode: blok", "7:actions.0.mode", "did you mean 'block'?"),
    (DRUG, "value: 0.5", "value: 1.5", "9:actions.0.level.while_taken.value", "from 0 to 1, not 1.5"),
    (DRUG, "value: 0.5", "value: toAMYY", "9:actions.0.level.while_taken.value", "did you mean 'toAMY'?"),
    (DRUG, "value: 0.5", "value: tauT", "9:actions.0.level.while_taken.value", "from 0 to 1"),
    (
        DRUG,
        "level:\n      while_taken: {value: 0.5, source: assumed}",
        "hill:\n      half_effect: {value: 1 nM, source: assumed}"
        "\n      exponent: {value: 1, source: assumed}"
        "\n      area: {effect: 0.3, lasting: 1 d, source: assumed}",
        "11:actions.0.hill.area",
        "is a share: give its maximum",
    ),
    (
        DRUG,
        "level:\n      while_taken: {value: 0.5, source: assumed}",
        "of: product\n    hill:\n      half_effect: {value: 1 nM, source: assumed}"
        "\n      exponent: {value: 1, source: assumed}\nkinetics:\n  route: bolus"
        "\n  half_life: {value: 1 h, source: assumed}\n  dose_concentration: {value: 1 nM, source: assumed}",
        "8:actions.0.of",
        "unknown compound or metabolite 'product' (known: parent)",
    ),
    (DRUG, "source: assumed", "source: ''", "9:actions.0.level.while_taken.source", "at least 3"),
    (DRUG, "mode: block", "mode: block\n    of: nosuch", "8:actions.0.of", "only a hill law"),
    (DRUG, "mode: block", "mode: block\n    region: mPFC", "8:actions.0.region", "only region.input"),
    (
        DRUG,
        "sert.occupancy\n    mode: block",
        "region.input\n    mode: drive",
        "6:actions.0",
        "region: needed",
    ),
    (PULSE, "value: 0.5", "value: 1.0", "8:actions.0.pulse.after_dose.value", "must be below 1"),
    (PULSE, "mode: block", "mode: block\n    of: nosuch", "7:actions.0.of", "only a hill law"),
    (COMPOUND, "value: 1.0,", "value: 1.5,", "13:kinetics.metabolites.product.fraction.value", "1"),
    (COMPOUND, "value: 1.0,", "value: -0.5,", "13:kinetics.metabolites.product.fraction.value", "0"),
    (COMPOUND, "value: 300", "value: -300", "9:kinetics.molar_mass_g_per_mol.value", "greater than 0"),
    (COMPOUND, "value: 1 ng/mL", "value: 0 ng/mL", "8:kinetics.dose_concentration.value", "more than zero"),
    (COMPOUND, "value: 2,", "value: -2,", "10:kinetics.published.accumulation.value", "greater than 0"),
    (ADDED, "on_days: [28]", "on_days: [20, 28]", "7:phases.treatment.drugs.0.on_days", "never be given"),
    (ADDED, "on_days: [28]", "on_days: [84]", "7:phases.treatment.drugs.0.on_days", "begins on day 84"),
    (
        ADDED,
        "on_days: [28]",
        "every: 1 d, for: 20 d",
        "7:phases.treatment.drugs.0.when.day",
        "ends by day 28",
    ),
    (
        ADDED,
        "on_days: [28], when: {day: 28, recovery_below: 0.5}",
        "on_days: [28], stop_when: {day: 20, recovery_below: 0.5}",
        "7:phases.treatment.drugs.0.stop_when.day",
        "before the first dose, on day 28",
    ),
    (
        ADDED,
        "recovery_below: 0.5}",
        "recovery_below: 0.5}, stop_when: {day: 28, recovery_at_least: 0.5}",
        "7:phases.treatment.drugs.0.stop_when.day",
        "after day 28",
    ),
    (ADDED, "on_days: [28]", "over: 40 min, on_days: [28]", "7:phases.treatment.drugs.0.over", "at once"),
    (
        ADDED,
        "ketamine-like, on_days: [28]",
        "sert-knock-out, dose: 1 mg, on_days: [28]",
        "7:phases.treatment.drugs.0.dose",
        "has no usual_dose",
    ),
    (TREATMENT, "ssri-like", "ssri-lik", "7:phases.treatment.drugs.0.drug", "did you mean 'ssri-like'?"),
    (TREATMENT, "ssri-like", "nowhere/my.yaml", "7:phases.treatment.drugs.0.drug", "there is no file"),
    (TREATMENT, "20 mg", "20 m", "7:phases.treatment.drugs.0.dose", "minutes, months or metres?"),
    (TREATMENT, "12 weeks", "13 weeks", "7:phases.treatment.drugs.0.for", "the phase ends on day 84"),
    (
        TREATMENT,
        "every: 1 d, for: 12 weeks",
        "on_days: [0, 85]",
        "7:phases.treatment.drugs.0.on_days",
        "goes on to day 85",
    ),
    (
        TREATMENT,
        "12 weeks",
        "12 weeks, when: {day: 99, recovery_below: 0.5}",
        "7:phases.treatment.drugs.0.when.day",
        "after the phase",
    ),
    (TREATMENT, "treatment:\n", "treatmnt:\n", "5:phases.treatmnt.for", "missing"),
    (TREATMENT, "extends: untreated", "extends: untreted", "3:extends", "did you mean 'untreated'?"),
    (TREATMENT, "extends: untreated", "extends: file.yaml", "3:extends", "in a loop"),
    (
        TREATMENT,
        "extends: untreated",
        "extends: untreated\ncircuit: defalt",
        "4:circuit",
        "did you mean 'default'?",
    ),
    (TREATMENT, "extends: untreated", "extends: untreated\nday_0: week", "4:day_0", "unknown phase"),
    (
        CIRCUIT,
        "",
        "projections:\n  mPFC_P > HPC_P: {weight: -0.1}\n",
        "4:projections.mPFC_P > HPC_P.weight",
        "at least 1e-09, not -0.1",
    ),
    (
        CIRCUIT,
        "",
        "projections:\n  mPFC_P > HPC_P: {weight: 0}\n",
        "4:projections.mPFC_P > HPC_P.weight",
        "at least 1e-09, not 0",
    ),
    (
        CIRCUIT,
        "",
        "projections:\n  mPFC_P > HPC_P: {weight: lonk}\n",
        "4:projections.mPFC_P > HPC_P.weight",
        "did you mean 'long'?",
    ),
    (
        CIRCUIT,
        "",
        "populations:\n  HPC_P: {set_point_Hz: 31}\n",
        "4:populations.HPC_P.set_point_Hz",
        "no healthy state: 31 must be above 0 and at most half of maximal_Hz",
    ),
    (
        CIRCUIT,
        "",
        "projections:\n  mPFC_P > HPC_P: {weight: 0.5}\n",
        "projections",
        "no healthy state: the circuit does not come back to health",
    ),
    (
        CIRCUIT,
        "",
        "regions:\n  VTA: {name: a, uncleared_serotonin: 0.1, position: [0, 0]}\n",
        "4:regions.VTA",
        "no population",
    ),
    (
        CIRCUIT,
        "",
        "populations:\n  HPC_P: {region: HPCC}\n",
        "4:populations.HPC_P.region",
        "did you mean 'HPC'?",
    ),
    (CIRCUIT, "", "roles:\n  overactive: AMY\n", "4:roles.overactive", "did you mean 'AMY_P'?"),
    (CIRCUIT, "", NO_STRESS.format("mPFC_P", "HPC_P", "NAc_P"), "file.yaml:1", "patient never becomes ill"),
]


@pytest.mark.parametrize(("text", "old", "new", "place", "told"), FAULTS)
def test_a_fault_in_a_file_is_told_with_file_line_and_key(
    unstuck: Unstuck, tmp_path: Path, text: str, old: str, new: str, place: str, told: str
) -> None:
    assert old in text
    (tmp_path / "file.yaml").write_text(text.replace(old, new, 1) if old else text + new)
    message = fails(unstuck, "check", "file.yaml")
    assert f"{place}: " in message
    assert told in message


@pytest.mark.parametrize("text", [DRUG, TREATMENT, CIRCUIT])
def test_the_same_files_without_a_fault_pass(unstuck: Unstuck, tmp_path: Path, text: str) -> None:
    (tmp_path / "file.yaml").write_text(text)
    done = unstuck("check", "file.yaml")
    assert (done.code, "Next: unstuck " in done.err) == (0, True)
    assert done.out.startswith("file.yaml: a valid ")


@pytest.mark.parametrize(
    ("drug", "told"),
    [
        ("target: sert.ocupancy, mode: block, level: {while_taken: {value: 0.5, source: assumed}}", "target"),
        (
            "target: region.input, mode: drive, region: VTA,"
            " level: {while_taken: {value: 1, source: assumed}}",
            "5:actions.0.region: unknown region 'VTA'",
        ),
        (
            "target: ampa, mode: potentiate, level: {while_taken: {value: kan, source: assumed}}",
            "did you mean",
        ),
        ("target: sert.occupancy, mode: block, of: nor, hill: {}", "half_effect"),
    ],
)
def test_compare_refuses_what_check_refuses(unstuck: Unstuck, tmp_path: Path, drug: str, told: str) -> None:
    (tmp_path / "mine.yaml").write_text(
        f"title: Mine\nclass: Mine\nusual_dose: 1 mg\nactions:\n  - {{{drug}}}\n"
    )
    (tmp_path / "arm.yaml").write_text(TREATMENT.replace("ssri-like, dose: 20 mg", "mine"))
    message = fails(unstuck, "compare", "arm.yaml", *SMALL)
    assert message.startswith("mine.yaml:5:actions.0")
    assert told in message
    assert not list(tmp_path.glob("results/*"))


def test_a_circuit_without_health_is_refused_by_compare(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "wild.yaml").write_text(CIRCUIT + "projections:\n  mPFC_P > HPC_P: {weight: 0.5}\n")
    (tmp_path / "arm.yaml").write_text(TREATMENT + "circuit: wild.yaml\n")
    assert "no healthy state" in fails(unstuck, "compare", "arm.yaml", *SMALL)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "file.yaml:1: this is not UTF-8 text"),
        (b"title: \x00\n", "this is not YAML"),
        (b"title: [1, 2\n", "this is not YAML"),
        (b"a: &a [x, x]\nb: [*a, *a]\n", "file.yaml:1:a: anchors, aliases and tags"),
        (b"- " * 4000 + b"x\n", "levels of nesting"),
        (b"title: x\n" * 2, "written twice"),
        (b"just words\n", "must be a mapping"),
        (b"titel: x\nfase: 1\n", "no key shows the kind"),
        (b"x: " + b"y" * 10_000_000, "the file has 10000003 bytes; the limit is"),
    ],
)
def test_a_file_that_is_none_is_told_at_once(
    unstuck: Unstuck, tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / "file.yaml").write_bytes(content)
    started = time.process_time()
    assert told in fails(unstuck, "check", "file.yaml")
    assert told.split(":")[-1] in fails(unstuck, "run", "file.yaml") or told.startswith("no key")
    assert time.process_time() - started < 5


def test_a_yaml_bomb_of_nine_levels_does_not_go_off(unstuck: Unstuck, tmp_path: Path) -> None:
    lines = ["a0: &a0 [lol]", *(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 10))]
    (tmp_path / "file.yaml").write_text("\n".join(lines))
    assert "anchors, aliases and tags" in fails(unstuck, "run", "file.yaml")


def test_files_that_extend_each_other_are_named(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("title: a\nextends: b.yaml\n")
    (tmp_path / "b.yaml").write_text("title: b\nextends: a.yaml\n")
    assert "b.yaml:2:extends: the files extend each other in a loop" in fails(unstuck, "run", "a.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "file.yaml").write_text(TREATMENT)
    (tmp_path / "file.yaml").chmod(0)
    assert "cannot be read" in fails(unstuck, "check", "file.yaml")


def test_check_tells_the_faults_of_all_files(unstuck: Unstuck, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(TREATMENT)
    for name in ("bad", "worse"):
        (tmp_path / f"{name}.yaml").write_text(TREATMENT.replace("ssri-like", "nothing-like"))
    done = unstuck("check", "bad.yaml", "good.yaml", "worse.yaml")
    assert (done.code, done.out) == (2, "")
    assert "bad.yaml:7" in done.err
    assert "worse.yaml:7" in done.err


def test_two_treatments_of_one_name_are_not_mixed(unstuck: Unstuck, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.yaml").write_text(TREATMENT)
    assert "two treatments are called mine" in fails(unstuck, "compare", "a/mine.yaml", "b/mine.yaml", *SMALL)
