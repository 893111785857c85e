"""Our own commands as processes in namespaces, with their ready lines and their logs."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CARNET = [sys.executable, "-c", "import sys; from carnet.cli.main import main; sys.exit(main())"]


class Program:
    """One command in one namespace.  Give it `until_ready`, then `stop` or `kill`."""

    def __init__(self, place: str, *command: str, home: Path) -> None:
        self.errors = home / f"{place}-{time.monotonic_ns()}.err"
        environment = os.environ | {"CARNET_STATE": str(home / place), "CARNET_RUNTIME": str(home / place)}
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", place, *command],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )

    def until_ready(self, timeout_s: float = 30.0) -> str:
        """Return the ready line; fail with the log if there is none."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], timeout_s)
        line = self.process.stdout.readline() if readable else ""
        assert line.startswith("ready"), f"{line!r}; {self.errors.read_text()}"
        return line.strip()

    def stop(self) -> int:
        """End it as an operator does; return its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as nobody should."""
        self.process.kill()
        self.wait()

    def wait(self, timeout_s: float = 20.0) -> int:
        """Return its status when it ends."""
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return self.process.returncode

    def log(self) -> list[dict[str, Any]]:
        """Return its log so far."""
        lines = []
        for line in self.errors.read_text().splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return lines

    def events(self) -> list[str]:
        """Return the events of its log."""
        return [str(line.get("event")) for line in self.log()]


def carnet(*arguments: str, home: Path) -> str:
    """Run one of our commands to its end and return what it printed."""
    environment = os.environ | {"CARNET_STATE": str(home / "own"), "CARNET_RUNTIME": str(home / "own")}
    done = subprocess.run(
        [*CARNET, *arguments], capture_output=True, text=True, check=False, env=environment, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def eventually(what: Callable[[], bool], within_s: float = 30.0) -> float:
    """Wait for something the world does in its own time; return how long it took."""
    started = time.monotonic()
    while not what():
        assert time.monotonic() - started < within_s, f"not within {within_s} s"
        time.sleep(0.05)
    return time.monotonic() - started
