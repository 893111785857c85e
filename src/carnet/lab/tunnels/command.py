"""The command line a lab runs its nodes by: the same `carnet` that everyone uses."""

import sys
from typing import Final

READY_S: Final = 30.0
"""Patience with a node's ready line."""


def carnet(*argv: str) -> list[str]:
    """Return the command line of `carnet ARGV`, by the interpreter that runs the lab."""
    return [sys.executable, "-c", "import sys; from carnet.cli.main import main; sys.exit(main())", *argv]
