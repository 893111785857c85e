"""What this program changed on the machine, written down before each change.

The journal is replayed backwards on a clean exit and, after a `kill -9`, by the next start.
Every step of it can be repeated, and leaves alone what somebody else changed meanwhile.
"""

import contextlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import structlog

from carnet.errors import GatewayError
from carnet.node import disk

MARK = "# written by carnet; the file that was here comes back when it ends"
Step = dict[str, Any]

log = structlog.get_logger()


class Journal:
    """The changes of one process.  `repair` first, then `note` before each change, `undo` at the end."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._steps: list[Step] = []

    def repair(self) -> int:
        """Undo what a killed predecessor left; return how many steps that were."""
        if not self._path.exists():
            return 0
        self._steps = _read(self._path)
        count = len(self._steps)
        self.undo()
        log.info("repaired", steps=count)
        return count

    def note(self, **step: str | int | None) -> None:
        """Write a change down; do it only after this returns."""
        self._steps.append(dict(step))
        lines = "".join(json.dumps(one) + "\n" for one in self._steps)
        disk.write_private(self._path, lines.encode())

    def undo(self) -> None:
        """Undo every change, last first, and forget them."""
        while self._steps:
            step = self._steps.pop()
            try:
                UNDO[step["kind"]](step)
            except (OSError, KeyError, GatewayError, subprocess.SubprocessError) as error:
                # The rest must still be undone; the operator is told what was not.
                log.warning("not-undone", step=step["kind"], error=str(error))
        self._path.unlink(missing_ok=True)


def _read(path: Path) -> list[Step]:
    steps = []
    for line in disk.read_file(path).splitlines():
        with contextlib.suppress(ValueError):
            step = json.loads(line)
            if isinstance(step, dict) and step.get("kind") in UNDO:
                steps.append(step)
    return steps


def _undo_table(step: Step) -> None:
    name = f"{step['family']} {step['name']}"
    # `add` first makes the deletion succeed when the table is gone already.
    run_tool(["nft", f"add table {name}; delete table {name}"])


def _undo_sysctl(step: Step) -> None:
    path = Path("/proc/sys") / step["path"]
    # Another campus on this machine passes packets on by the same setting; tables go before settings,
    # so a table of ours that is left is another's.
    if b" carnet_" in run_tool(["nft", "list", "tables"]):
        return
    if path.exists() and path.read_text().strip() == step["set"]:
        path.write_text(step["was"])


def _undo_route(step: Step) -> None:
    command = ["ip", "route", "del", step["to"], "proto", str(step["proto"])]
    with contextlib.suppress(GatewayError):
        run_tool(command)


def _undo_file(step: Step) -> None:
    path = Path(step["path"])
    try:
        present = path.read_text()
    except FileNotFoundError:
        present = MARK
    if not present.startswith(MARK):
        return
    if step.get("link") is not None:
        path.unlink(missing_ok=True)
        path.symlink_to(step["link"])
    elif step["was"] is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(step["was"])


def _undo_socket(step: Step) -> None:
    Path(step["path"]).unlink(missing_ok=True)


UNDO = {
    "table": _undo_table,
    "sysctl": _undo_sysctl,
    "route": _undo_route,
    "file": _undo_file,
    "socket": _undo_socket,
}


def run_tool(command: list[str], stdin: bytes | None = None) -> bytes:
    """Run one system tool and return what it printed.

    Raises:
        GatewayError: it is missing, or says no.
    """
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, check=False, timeout=10, env=environment
        )
    except FileNotFoundError as error:
        raise GatewayError(f"{command[0]} is not installed: install it and try again") from error
    except subprocess.TimeoutExpired as error:
        raise GatewayError(f"{command[0]} did not end within 10 s") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise GatewayError(f"{command[0]}: {said[0] if said else 'refused'}")
    return done.stdout
