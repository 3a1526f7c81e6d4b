"""A study from its file to its tables: what can vary, what is refused, and numbers that are the compare's."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from study_cases import DISTINCT, ROWS, TWO_DOSES, write_study
from unstuck.errors import InputError
from unstuck.files.find import cohort_path, shipped
from unstuck.files.treatment import Treatment
from unstuck.patient.draw import read_cohort
from unstuck_analysis.compare import run
from unstuck_analysis.outcomes import series_columns
from unstuck_analysis.output.columns import column_name
from unstuck_analysis.study import vary as variation
from unstuck_analysis.study.file import OUTCOMES, Study, StudyInputs
from unstuck_analysis.study.vary import Variation, basis_of


@pytest.fixture(scope="module")
def basis_variation() -> Variation:
    """Everything that can be varied with two treatments."""
    treatments = [Treatment("ketamine-like"), Treatment("ssri-like")]
    return Variation(basis_of(treatments, read_cohort(cohort_path()), 0))


def loaded(folder: Path, *replacements: tuple[str, str]) -> Study:
    text = TWO_DOSES
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return Study.load(write_study(folder, text))


def fault_of(folder: Path, *replacements: tuple[str, str]) -> str:
    with pytest.raises(InputError) as caught:
        _ = loaded(folder, *replacements).plan
    return str(caught.value)


TWO_AXES = "model.tauB: {values: [100, 120]}\n  model.taul: {values: [24, 30]}"
LATE_ENDPOINT = "follow_up: 1 d\n  treatment.phases.treatment.for: 7 d\n  treatment.endpoint_day: 84"
DOSES = "drug.ketamine-like.dose: {values: [0.1 mg/kg, 0.5 mg/kg]}"


def test_rows_that_read_the_same_are_one_run(tmp_path: Path) -> None:
    plan = loaded(tmp_path).plan
    assert (len(plan.table), len(plan.runs())) == (ROWS, DISTINCT)


def test_a_study_finds_what_a_single_run_finds(tmp_path: Path) -> None:
    study = Study.of_treatments(["untreated", "ketamine-like"], name="pair", patients=2, neurons=0, seed=3)
    results = study.run(tmp_path / "out")
    table, series = results.outcomes(), results.series()
    for patient in range(2):
        for treatment in ("untreated", "ketamine-like"):
            alone = run(treatment, patient=patient, seed=3, neurons=0)
            row = table[(table.patient == patient) & (table.treatment == treatment)].iloc[0]
            pd.testing.assert_series_equal(
                row[list(OUTCOMES)],
                alone.outcomes.iloc[0][list(OUTCOMES)],
                check_exact=True,
                check_names=False,
                check_index_type=False,
            )
            here = series.loc[(series.patient == patient) & (series.treatment == treatment)]
            pd.testing.assert_frame_equal(
                here[alone.series.columns[3:]].reset_index(drop=True),
                alone.series.iloc[:, 3:],
                check_exact=True,
            )


def test_courses_are_the_series_as_arrays(tmp_path: Path) -> None:
    study = Study.of_treatments(["untreated", "ketamine-like"], name="pair", patients=2, neurons=0)
    results = study.run(tmp_path / "out")
    days, courses = results.courses("ketamine-like", ["recovery", "activity_AMY_P"])
    series = results.series(["recovery", "activity_AMY_P"]).query("treatment == 'ketamine-like'")
    for name, values in courses.items():
        wide = series.pivot(index="patient", columns="day", values=name)
        np.testing.assert_array_equal(days, wide.columns)
        np.testing.assert_array_equal(values, wide.to_numpy())


def test_a_dose_of_zero_changes_as_little_as_no_treatment(tmp_path: Path) -> None:
    early = ("treatment.follow_up: 1 d", "treatment.endpoint_day: 2")
    study = loaded(tmp_path, ("0.1 mg/kg, 0.5", "0 mg/kg, 0.5"), ("patients: 3", "patients: 1"), early)
    recovery = study.run(tmp_path / "out").outcomes().set_index(["treatment", "point"]).recovery_endpoint
    assert recovery["ketamine-like", 0] == pytest.approx(recovery["untreated", 0], abs=1e-4)
    assert recovery["ketamine-like", 1] > recovery["untreated", 0] + 0.05


def test_every_kind_of_path_changes_what_a_run_reads(basis_variation: Variation) -> None:
    before = basis_variation.inputs_of("ketamine-like", ())
    for path, number in {
        "model.tauB": 30.0,
        "patient.life_events.severe.lasting": 14.0,
        "patient.noise.sd": 0.01,
        "patient.stress_days.median": 60.0,
        "circuit.neurons": 200.0,
        "circuit.projections.mPFC_P > HPC_P.weight": 0.05,
        "drug.ketamine-like.dose": 1.0,
        "circuit.populations.mPFC_P.set_point_Hz": 4.0,
        "circuit.populations.mPFC_P.nmda_share": 0.2,
        "circuit.regions.mPFC.uncleared_serotonin": 0.1,
        "circuit.roles.stress_input.AMY_P": 0.02,
        "drug.ketamine-like.half_life": 0.25,
        "drug.ketamine-like.dose_concentration": 500.0,
        "drug.ketamine-like.nmda.interneuron.half_effect": 300.0,
        "drug.ketamine-like.nmda.interneuron.exponent": 2.0,
        "drug.ketamine-like.ampa.half_life": 2.0,
        "drug.ketamine-like.ampa": 0.2,
        "treatment.phases.stress.stress": 0.5,
        "treatment.phases.stress.for": 7.0,
        "treatment.follow_up": 2.0,
        "treatment.endpoint_day": 28.0,
    }.items():
        assert basis_variation.inputs_of("ketamine-like", ((path, number),)).digest != before.digest, path
    run_inputs = basis_variation.inputs_of("ssri-like", (("drug.ssri-like.sert.occupancy", 0.5),))
    action = run_inputs.treatment.drugs["ssri-like"].actions[0]
    assert action.level is not None
    assert action.level.odds is not None
    assert action.level.odds.value == 1.0  # the odds of 0.5
    assert basis_variation.inputs_of("ketamine-like", (("model.tauB", 30.0),)).parameters["tauB"] == 30.0


@pytest.mark.parametrize(
    ("path", "number"),
    [
        ("circuit.parameters.wmaxg.value", 2.2),
        ("circuit.projections.OFC_P > D1.largest", 2.2),
        ("circuit.projections.ACC_P > D2.core", 0.3),
        ("circuit.populations.OFC_P.heteroreceptor", 0.1),
        ("circuit.populations.D1.receptor_5ht2c", 0.1),
        ("circuit.populations.OFC_P.scar_on_bdnf", 0.5),
        ("circuit.populations.ACC_P.stress_on_bdnf", -0.1),
        ("circuit.populations.OFC_P.healing", 0.5),
        ("circuit.populations.OFC_P.gain_5ht2a", 0.5),
    ],
)
def test_what_is_particular_to_a_circuit_whose_connections_grow_can_be_varied(
    path: str, number: float
) -> None:
    variation = Study.of_treatments(["untreated"], name="ocd", circuit="ocd", neurons=0).variation
    changed = variation.inputs_of("untreated", ((path, number),))
    assert changed.digest != variation.inputs_of("untreated", ()).digest
    assert str(number) in changed.treatment.circuit.model_dump_json()


def test_a_range_of_doses_is_written_as_doses(tmp_path: Path) -> None:
    study = loaded(
        tmp_path, ("{values: [0.1 mg/kg, 0.5 mg/kg]}", "{from: 100 ug/kg, to: 0.7 mg/kg, steps: 3}")
    )
    assert sorted(set(study.plan.table["drug.ketamine-like.dose"])) == pytest.approx([0.1, 0.4, 0.7])


def test_a_spread_between_patients_can_be_varied(tmp_path: Path) -> None:
    study = loaded(tmp_path, (DOSES, "patient.cv.taul: {values: [0.0, 0.5]}"))
    cohort = study.variation.inputs_of("untreated", (("patient.cv.taul", 0.5),)).cohort
    assert cohort is not None
    assert [draw.cv for draw in cohort.lognormal if draw.name == "factor_taul"] == [0.5]
    everyone = study.variation.inputs_of("untreated", (("patient.cv", 0.0),)).cohort
    assert everyone is not None
    assert {draw.cv for draw in everyone.lognormal} == {0.0}


def test_a_value_equal_to_the_shipped_one_reads_the_same(basis_variation: Variation) -> None:
    shipped_value = basis_variation.basis.parameters["tauB"]
    varied = basis_variation.inputs_of("ketamine-like", (("model.tauB", shipped_value),))
    assert varied.digest == basis_variation.inputs_of("ketamine-like", ()).digest


def test_unpaired_arms_and_points_have_patients_of_their_own(tmp_path: Path) -> None:
    table = loaded(tmp_path, ("patients: 3", "patients: 3\npaired: false")).plan.table
    assert sorted(table.patient) == list(range(ROWS))


def test_runs_of_a_patient_are_planned_one_after_the_other(tmp_path: Path) -> None:
    patients = [run.patient for run in loaded(tmp_path).plan.runs()]
    assert patients == sorted(patients)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("drug.ketamine-like.dose", "drug.ketamine-lik.dose", "did you mean 'drug.ketamine-like.dose'?"),
        ("drug.ketamine-like.dose", "molde.tauB", "there are: circuit, drug, model, patient, treatment"),
        ("drug.ketamine-like.dose", "model.tauC", "did you mean 'model.tau"),
        ("{values: [0.1 mg/kg, 0.5 mg/kg]}", "{values: []}", "an empty design"),
        (DOSES, "model.tauB: {from: 10, to: 50}", "a range in a grid needs steps"),
        (
            DOSES,
            "model.tauB: {from: 50, to: 10, steps: 3}",
            "from must be below to, but from is 50 and to is 10",
        ),
        (DOSES, "patient.noise.sd: {from: 0, to: 0.01, steps: 3, scale: log}", "starts above 0"),
        (DOSES, "model.tauB: {values: [1], from: 2, to: 3}", "an axis has values, or from and to"),
        ("0.1 mg/kg,", "0.1,", "is a number without a unit"),
        ("0.1 mg/kg,", "5 mg,", "must be a dose in mg/kg"),
        ("0.1 mg/kg,", "-5 mg/kg,", "must not be negative"),
        (DOSES, "model.tauB: {values: [1]}", "must be from 4.8 to 2400 h (its range, and 10 times beyond)"),
        (DOSES, "model.K1A: {values: [0]}", "not 0"),
        (DOSES, "model.core: {values: [-1]}", "must not be negative"),
        (DOSES, "model.core: {values: [0.9]}", "l0 + m0 + core = 1.372 must be below 1"),
        (DOSES, "model.wmaxf: {values: [0.9]}", "wmaxf = 0.9 above 1"),
        (DOSES, "patient.noise.sd: {values: [-1]}", "must not be negative"),
        (DOSES, "model.stB: {values: [1.5]}", "must be from 0 to 1"),
        (DOSES, "circuit.projections.mPFC_P > HPC_P.weight: {values: [50]}", "no healthy state"),
        (DOSES, "drug.ketamine-like.ampa: {values: [-1]}", "must not be negative"),
        (DOSES, "circuit.neurons: {values: [50]}", "50 neurons: 0 for the mean-field, or 100 to"),
        (DOSES, "treatment.phases.stress.stress: {values: [2]}", "less than or equal to 1"),
        (DOSES, "treatment.phases.treatment.for: {values: [0 d]}", "must be more than zero"),
        ("patients: 3", "patients: 3\nbudget: 10", "12 runs are planned, the budget is 10"),
        ("patients: 3", "patients: 3\noutcomes: [remited]", "did you mean 'remitted'?"),
        ("serotonin_mPFC", "strength_mPFC_P > HPC_P", "did you mean 'strength_mPFC_P_to_HPC_P'"),
        ("serotonin_mPFC", "serotonin_PFC", "did you mean 'serotonin_mPFC'?"),
        ("patients: 3", "patients: 3\ndesign: sobol", "samples: needed with sobol"),
        ("patients: 3", "patients: 3\ndesign: list", "points: needed, or it is an empty design"),
        ("patients: 3", "patients: 3\nneurons: 7", "written twice"),
        ("neurons: 0", "neurons: 7", "7 neurons"),
        ("neurons: 0", f"neurons: 0\nseed: {2**64}", "less than or equal to 4294967295"),
        ("follow_up: 1 d", LATE_ENDPOINT, "day 84 is after the run, which ends on day 15"),
        ("every: 14 d", "every: 36 h", "a whole number of days, not 1.5 d"),
        (DOSES, f"{TWO_AXES}\ntogether: [[model.tauB, model.taul], [model.tauB]]", "together twice"),
        (DOSES, f"{TWO_AXES}\ntogether: [[model.tauB, model.tauB]]", "together twice"),
        (DOSES, "model.etah: {values: [7 d]}", "must be a number"),
        ("untreated, ketamine-like", "untreated, untreated", "two treatments named 'untreated'"),
        ("untreated, ketamine-like", "ketamin-like", "did you mean 'ketamine-like'?"),
        ("untreated, ketamine-like", "nothing/*.yaml", "no file matches"),
        ("treatment.follow_up: 1 d", "drug.ketamine-like.dose: 1 mg/kg", "is varied too"),
    ],
)
def test_a_fault_is_told_with_its_place_before_any_run(tmp_path: Path, old: str, new: str, told: str) -> None:
    fault = fault_of(tmp_path, (old, new))
    assert told in fault
    assert "doses.yaml" in fault


def test_a_huge_grid_is_refused_without_being_made(tmp_path: Path) -> None:
    axes = "\n  ".join(
        f"model.{s}: {{from: 1, to: 2, steps: 1000}}" for s in ("g1A", "g1B", "b5", "QK", "rho2")
    )
    assert "the budget is 20000" in fault_of(tmp_path, (DOSES, axes))


def test_treatments_can_be_files_and_globs_beside_the_study(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(f"title: {name}\nextends: untreated\n")
    study = loaded(tmp_path, ("[untreated, ketamine-like]", "['[ot]*.yaml', ketamine-like]"))
    assert list(study.inputs.basis.arms) == ["one", "two", "ketamine-like"]


def test_the_names_of_series_are_those_of_readings() -> None:
    treatment = Treatment("untreated")
    frame = run("untreated", neurons=0).series
    assert list(frame.columns[4:]) == series_columns(treatment.circuit)


def test_names_of_columns_are_letters_digits_and_underscores(tmp_path: Path) -> None:
    every = ("[recovery, serotonin_mPFC]", "[all]")
    results = loaded(tmp_path, ("patients: 3", "patients: 1"), every).run(tmp_path / "out")
    for table in (results.outcomes(), results.series(), results.patients(), results.failures()):
        assert [name for name in table.columns if not re.fullmatch("[A-Za-z][A-Za-z0-9_]*", name)] == []
    assert "strength_mPFC_P_to_HPC_P" in results.series()


def test_tables_are_tidy_and_carry_units(tmp_path: Path) -> None:
    results = loaded(tmp_path, ("patients: 3", "patients: 1")).run(tmp_path / "out")
    outcomes, series = results.outcomes(), results.series()
    assert outcomes.attrs["units"]["drug_ketamine_like_dose"] == "mg/kg"
    assert outcomes.attrs["units"]["onset_day"] == "d"
    assert str(outcomes.recovered.dtype) == "boolean"
    assert len(outcomes) == 4
    assert set(series.columns) == {
        *["run_id", "point", "treatment", "patient", "day", "recovery", "serotonin_mPFC"]
    }
    assert (series.day % 14 == 0).all()
    back = tmp_path / "outcomes.parquet"
    results.export(back)
    pd.testing.assert_frame_equal(pd.read_parquet(back), outcomes)
    assert pd.read_parquet(back).attrs["units"]["onset_day"] == "d"


@pytest.mark.parametrize("name", sorted(shipped("studies")))
def test_shipped_studies_can_be_planned(name: str) -> None:
    assert len(Study.load(name).plan.runs()) >= 60


@pytest.mark.parametrize("name", sorted(shipped("treatments")))
def test_a_stored_study_of_any_shipped_treatment_is_read_back_as_it_was(name: str) -> None:
    inputs = Study.of_treatments([name], name="one", neurons=0).inputs
    assert StudyInputs.model_validate_json(inputs.model_dump_json()).hash == inputs.hash


def test_a_typical_patient_varied_out_of_health_is_a_failed_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variation, "HEALTH_CHECKS", 0)  # as for the circuits of a large design
    weight = "circuit.projections.mPFC_P > HPC_P.weight: {values: [0.05, 50]}"
    study = loaded(tmp_path, (DOSES, weight), ("patients: 3", "patients: 1\nvaried: false"))
    table = study.run(tmp_path / "out").outcomes()
    assert list(table.status) == ["done", "done", "failed", "failed"]
    assert table.error.iloc[-1].startswith("RunError: no healthy state")


def test_the_order_of_runs_decides_no_number(tmp_path: Path) -> None:
    found: list[pd.DataFrame] = []
    for order in ("0, 0.5", "0.5, 0"):
        axis = f"treatment.phases.treatment.stress: {{values: [{order}]}}"
        kept = ("[recovery, serotonin_mPFC]", "[recovery, functional_recovery]")
        study = loaded(tmp_path, (DOSES, axis), ("patients: 3", "patients: 1"), kept)
        results = study.run(tmp_path / f"out {order}")
        axis_of = results.outcomes()[["run_id", *map(column_name, results.plan.paths)]]
        table = results.series().merge(axis_of, on="run_id").drop(columns="point")
        found.append(table.sort_values(["run_id", "day"]).reset_index(drop=True))
    assert found[0].functional_recovery.notna().any()
    pd.testing.assert_frame_equal(found[0], found[1])


def test_a_seed_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a whole number from 0 to"):
        Study.load(write_study(tmp_path), seed=2**70)


def test_a_study_without_series_has_none_to_export(tmp_path: Path) -> None:
    study = loaded(tmp_path, ("patients: 3", "patients: 1"), ("[recovery, serotonin_mPFC]", "[]"))
    results = study.run(tmp_path / "out")
    with pytest.raises(InputError, match="keeps no series"):
        results.export(tmp_path / "series.csv", series=True)


def test_a_half_effect_of_a_metabolite_is_its_own() -> None:
    varied = Variation(basis_of([Treatment("ketamine-infusion-like")], None, 0))
    path = "drug.ketamine-infusion-like.nmda.interneuron.half_effect"
    of_metabolite = path.replace(".nmda", ".metabolites.norketamine.nmda")
    assert varied.knobs[path].number("0.5 uM") == 500.0
    assert not set(varied.knobs[path].places) & set(varied.knobs[of_metabolite].places)


TITRATION = (
    "title: T\nextends: untreated\nphases:\n  treatment:\n    drugs:\n"
    "      - {drug: fluoxetine-like, dose: 20 mg, every: 1 d, for: 2 weeks}\n"
    "      - {drug: fluoxetine-like, dose: 40 mg, every: 1 d, from: 2 weeks, for: 10 weeks}\n"
)
DOSE = (
    "title: S\ntreatments: [%s]\nneurons: 0\nvary:\n  drug.fluoxetine-like.dose: {values: [20 mg, 60 mg]}\n"
)


def test_a_dose_that_a_treatment_changes_over_time_cannot_be_varied(tmp_path: Path) -> None:
    (tmp_path / "titration.yaml").write_text(TITRATION)
    (tmp_path / "study.yaml").write_text(DOSE % "titration.yaml, fluoxetine-like")
    with pytest.raises(InputError, match=r"study\.yaml:5:.*several doses of .*\(20 mg, 40 mg\)"):
        _ = Study.load(tmp_path / "study.yaml").plan


def test_treatments_that_a_varied_dose_makes_equal_are_refused(tmp_path: Path) -> None:
    (tmp_path / "low.yaml").write_text("title: Low\nextends: fluoxetine-like\n")
    own = TITRATION.split("      - ")
    (tmp_path / "high.yaml").write_text(
        own[0] + "      - " + own[1].replace("20 mg", "40 mg").replace("2 w", "12 w")
    )
    (tmp_path / "study.yaml").write_text(DOSE % "low.yaml, high.yaml")
    with pytest.raises(InputError, match=r"study\.yaml:4:vary: low and high differ in their files"):
        _ = Study.load(tmp_path / "study.yaml").plan


def test_a_fault_at_a_point_names_the_line_of_what_varies(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(
        "title: S\ntreatments: [ssri-like]\nneurons: 0\nvary:\n"
        "  model.tauB: {values: [60, 70]}\n"
        "  treatment.phases.treatment.for: {values: [12 weeks, 3 weeks]}\n"
    )
    with pytest.raises(InputError, match=r"study\.yaml:6:vary\.treatment\.phases.*: at point 1"):
        _ = Study.load(tmp_path / "study.yaml").plan
