"""What `import unstuck` offers, and how quickly."""

import subprocess
import sys

import pytest
import unstuck

NAMES = ["CircuitModel", "Results", "Study", "compare", "run", "view"]


def test_the_package_offers_its_main_names() -> None:
    assert set(NAMES) <= set(dir(unstuck))
    for name in NAMES:
        assert getattr(unstuck, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'comparison'"):
        _ = unstuck.comparison


def test_the_import_takes_less_than_a_third_of_a_second_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time; began = time.process_time(); import unstuck\n"
        "heavy = {'numpy', 'numba', 'pandas', 'mesa', 'unstuck_analysis'} & set(sys.modules)\n"
        "print(time.process_time() - began < 0.3, heavy)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True set()"
