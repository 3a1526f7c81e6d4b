"""Mesa's own page over the model: `solara run examples/mesa_page.py`.

Compose your own page from the components of `unstuck_analysis.view.mesa` and from Mesa's. A component is a
function of the model; `parameters` are controls for the arguments of `DosedModel`, which is a `CircuitModel`
with a dose.
"""

# Solara is missing without the extra `mesa-page`.
# pyright: reportMissingImports=false, reportPrivateImportUsage=false, reportArgumentType=false

import solara
from mesa.visualization import SolaraViz, make_plot_component
from unstuck_analysis.view.mesa import COMPONENTS, DosedModel, parameters


@solara.component
def Page() -> None:
    """One model per tab: a model made outside this function would be shared by all tabs."""
    model = solara.use_memo(lambda: DosedModel("ssri-like", neurons=200, seed=1), [])
    sensitivity = make_plot_component("autoreceptor_sensitivity")
    SolaraViz(model, components=[*COMPONENTS, sensitivity], model_params=parameters(), name="Unstuck")
