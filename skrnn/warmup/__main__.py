"""The command ``python -m skrnn.warmup``."""

from __future__ import annotations

import argparse
import time

from skrnn.warmup import warmup


def main(arguments=None):
    """Compile what the command line asks for, and say how long it took."""
    parser = argparse.ArgumentParser(
        prog="python -m skrnn.warmup",
        description="Compile what the estimators of skrnn need and keep it in Numba's cache.",
    )
    parser.add_argument("--cells", nargs="+", help="names of cells (default: all)")
    parser.add_argument(
        "--dtypes", nargs="+", default=("float32", "float64"), choices=("float32", "float64")
    )
    options = parser.parse_args(arguments)
    started = time.perf_counter()
    try:
        warmup(options.cells, options.dtypes)
    except ValueError as error:
        parser.error(str(error))
    cells = "all cells" if options.cells is None else ", ".join(options.cells)
    seconds = time.perf_counter() - started
    print(f"skrnn: {cells} ready for {', '.join(options.dtypes)} after {seconds:.1f} s")


if __name__ == "__main__":
    main()
