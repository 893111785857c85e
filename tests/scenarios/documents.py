"""Runs what a document shows: each fenced block for campus, relay or student, on that host, in order.

A block is for a host if its info string is `sh campus`, `sh relay` or `sh student`; with the word `serve`
it stays in the foreground, and the next comes when it has said that it is ready.  All others are ignored.
"""

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.scenarios.scene import Scene

HOSTS: Final = {"campus": "campus", "relay": "one", "student": "student"}
"""What a document calls a machine, and its host in a small world."""
NAMES: Final = {"campus.example.edu": "campus", "relay1.example.net": "one"}

_FENCE: Final = re.compile(r"^```sh (campus|relay|student)( serve)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SUDO: Final = re.compile(r"(^|&& |\| )sudo ", re.MULTILINE)
_READY: Final = re.compile(r"`(ready [^`]*)`")
# All machines share one folder, which stands for copying files between them; each has its own memory.
_ENTER: Final = (
    'mount --bind "$0" /etc/hosts && cd "$1" && export CARNET_STATE="$2" PATH="$3" && exec sh -e -c "$4"'
)


@dataclass(frozen=True)
class Block:
    """Commands for one machine."""

    machine: str
    serves: bool
    script: str


def blocks(text: str) -> list[Block]:
    """Return the blocks of a document that are meant to be run, in order."""
    found = []
    for machine, serves, body in _FENCE.findall(text):
        lines = [line for line in body.splitlines() if line.strip() and not line.startswith("#")]
        found.append(Block(machine, bool(serves), _SUDO.sub(r"\1", "\n".join(lines))))
    return found


def promises(text: str) -> set[str]:
    """Return the ready lines a document says will appear, but for those it leaves open with dots."""
    return {line for line in _READY.findall(text) if "..." not in line}


class Reader:
    """Somebody who does what documents say, on the machines of a scene.  `follow` one after the other."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.said: list[str] = []
        """The ready lines that appeared."""
        self._hosts = scene.stage.hosts.folder / "hosts"
        lines = [f"{scene.address(host)} {name}\n" for name, host in NAMES.items()]
        self._hosts.write_text("127.0.0.1 localhost\n" + "".join(lines))

    def follow(self, text: str) -> int:
        """Run every block of a document; return how many there were.  Each has to succeed."""
        found = blocks(text)
        for block in found:
            if block.serves:
                self._serve(block)
            else:
                done = self._scene.run(HOSTS[block.machine], *self._argv(block, block.script))
                assert done.returncode == 0, f"{block}: {done.stdout}{done.stderr}"
        return len(found)

    def _serve(self, block: Block) -> None:
        assert "\n" not in block.script, f"a block that serves is one command: {block}"
        argv = self._argv(block, f"exec {block.script}")
        program = self._scene.do(self._scene.stage.start(HOSTS[block.machine], *argv))
        self.said.append(self._scene.ready(program, "ready"))

    def _argv(self, block: Block, script: str) -> list[str]:
        state = self._scene.state(HOSTS[block.machine])
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        enter = ["unshare", "--mount", "sh", "-c", _ENTER, str(self._hosts)]
        return [*enter, str(self._scene.home), str(state), path, script]
