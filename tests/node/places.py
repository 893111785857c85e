"""Network namespaces for tests: made, used, and removed whatever happens."""

import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/net/tun").exists(), reason="needs root, namespaces and /dev/net/tun"
)


def place(name: str) -> str:
    """Return a namespace name that no other run of the tests has."""
    return f"cp{os.getpid()}-{name}"


def _sweep() -> None:
    """Remove what runs that were killed left behind."""
    for line in run("ip", "netns", "list").stdout.splitlines():
        name = line.split()[0]
        match = re.match(r"cp(\d+)-", name)
        if match and not Path("/proc", match[1]).exists():
            _remove([name])


def run(*command: str, check: bool = True, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    """Run one command and return what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=timeout)
    assert not check or done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done


def inside(
    place: str, *command: str, check: bool = True, timeout: float = 30
) -> subprocess.CompletedProcess[str]:
    """Run one command in a namespace."""
    return run("ip", "netns", "exec", place, *command, check=check, timeout=timeout)


@contextmanager
def namespaces(*names: str) -> Iterator[None]:
    """Make namespaces with loopback up; kill what still runs in them and remove them at the end."""
    _sweep()
    try:
        for name in names:
            run("ip", "netns", "add", name)
            run("ip", "-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _remove(names)


def _remove(names: Sequence[str]) -> None:
    for name in names:
        # Only processes in this namespace of ours.
        for pid in run("ip", "netns", "pids", name, check=False).stdout.split():
            run("kill", "-9", pid, check=False)
        run("ip", "netns", "del", name, check=False)


def wire(left: str, right: str, *, left_address: str, right_address: str, name: str) -> None:
    """Join two namespaces by a pair of interfaces `name`, each with an address/bits."""
    run("ip", "link", "add", name, "netns", left, "type", "veth", "peer", "name", name, "netns", right)
    for place, address in ((left, left_address), (right, right_address)):
        family = ["-6"] if ":" in address else []
        run("ip", *family, "-n", place, "addr", "add", address, "dev", name, *(["nodad"] if family else []))
        run("ip", "-n", place, "link", "set", name, "up")
