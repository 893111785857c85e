"""All figures: `python -m bench [--json FILE] [--rounds N] [tunnel|relay|campus|quality ...]`."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from bench import campus, quality, relay, tunnel
from bench.result import Result, append, show

BENCHES: dict[str, Callable[[int], list[Result]]] = {
    "tunnel": tunnel.run,
    "relay": relay.run,
    "campus": campus.run,
    "quality": quality.run,
}

DEFAULT = ("tunnel", "relay", "campus")
"""What runs when nothing is named: a quarter of an hour.  `quality` holds classes for hours."""


def main() -> None:
    """Run what is named, or everything, and print each as it is done."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which; {DEFAULT} when none is named")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, alternating (default 5)")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("no-rights: the benchmarks make network namespaces; run as root")
    if arguments.json:
        arguments.json.unlink(missing_ok=True)
    for name in arguments.names or DEFAULT:
        if name not in BENCHES:
            parser.error(f"no benchmark {name!r}; there are: {', '.join(BENCHES)}")
        results = BENCHES[name](arguments.rounds)
        show(results)
        if arguments.json:
            append(results, arguments.json)


if __name__ == "__main__":
    main()
