"""The picture of the feedback loop says what the circuit file says."""

from loop import loop_figure
from unstuck.files.treatment import Treatment


def test_the_loop_names_what_the_circuit_file_says() -> None:
    circuit = Treatment("untreated").circuit
    texts = " ".join(text.get_text() for axes in loop_figure(circuit).axes for text in axes.texts)
    plastic = sum(projection.plastic for projection in circuit.projections.values())
    words = ["Activity", "BDNF", "TrkB", "Serotonin", "AMPA", "scar"]
    for word in (f"{plastic} bundles", *circuit.regions, *words):
        assert word in texts
