"""How the lab's own processes speak with the lab: one JSON object a line, on standard input and output."""

import json
import sys
from typing import Any

from carnet.errors import WorldError


def say(**fact: object) -> None:
    """Tell the lab something."""
    sys.stdout.write(json.dumps(fact) + "\n")
    sys.stdout.flush()


def hear(word: str) -> Any:  # noqa: ANN401
    """Return what the lab's next line says about `word`.

    Raises:
        WorldError: the lab is gone.
    """
    line = sys.stdin.readline()
    if not line:
        raise WorldError("the lab hung up")
    return json.loads(line)[word]
