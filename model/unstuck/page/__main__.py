"""`python -m unstuck.page TREATMENT...`: the page as a module. `unstuck view` is the command to use."""

import argparse
import sys

from unstuck.files.yaml import InputError
from unstuck.page.serve import ViewError, main


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m unstuck.page", description=__doc__)
    parser.add_argument("treatments", nargs="*")
    parser.add_argument("--port", type=int, default=8765)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--allow-remote", action="store_true")
    parser.add_argument("--no-browser", dest="open_browser", action="store_false")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--patient", type=int, default=0)
    parser.add_argument("--neurons", type=int, default=500)
    parser.add_argument("--mesa", action="store_true")
    return parser


if __name__ == "__main__":
    try:
        main(**vars(_parser().parse_args()))
    except (ViewError, InputError) as error:
        print(error, file=sys.stderr)
        sys.exit(2)
