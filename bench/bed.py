"""Two machines and the wire between them, as network namespaces; gone at the end, whatever happened."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FAR, NEAR = "carnet-bench-far", "carnet-bench-near"
FAR_ADDRESS, NEAR_ADDRESS = "10.221.0.1", "10.221.0.2"
INTERPRETER = sys.executable


def call(*words: str, stdin: str | None = None) -> str:
    """Run a command that must succeed; return what it printed."""
    done = subprocess.run(words, check=False, input=stdin, text=True, capture_output=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def inside(namespace: str, *words: str) -> list[str]:
    """Words that run a command in a namespace."""
    return ["ip", "netns", "exec", namespace, *words]


@contextmanager
def wire() -> Iterator[None]:
    """Join `FAR` and `NEAR` by a veth pair with the kernel's own settings."""
    _clear()
    try:
        for name in (FAR, NEAR):
            call("ip", "netns", "add", name)
        call("ip", "link", "add", "wire", "netns", FAR, "type", "veth", "peer", "name", "wire", "netns", NEAR)
        for name, address in ((FAR, FAR_ADDRESS), (NEAR, NEAR_ADDRESS)):
            call("ip", "-n", name, "address", "add", f"{address}/24", "dev", "wire")
            call("ip", "-n", name, "link", "set", "wire", "up")
            call("ip", "-n", name, "link", "set", "lo", "up")
        yield
    finally:
        _clear()


def _clear() -> None:
    for name in (FAR, NEAR):
        subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@contextmanager
def program(namespace: str, *words: str, ready: str | None = None) -> Iterator["subprocess.Popen[str]"]:
    """Run a program in a namespace as long as the block lasts; wait for a line that contains `ready`."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        inside(namespace, *words), stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=ROOT
    )
    said: list[str] = []
    try:
        while ready is not None:
            line = process.stdout.readline() if process.stdout else ""
            said.append(line)
            if not line:
                raise SystemExit(f"{words[0]} did not start: {''.join(said)}")
            if ready in line:
                break
        yield process
    finally:
        process.terminate()
        process.wait()


def ask(process: "subprocess.Popen[str]") -> dict[str, int]:
    """Ask a program of ours for its counters: it answers each line with a line of JSON."""
    if process.stdin is None or process.stdout is None:
        raise SystemExit("the program has no pipes")
    process.stdin.write("\n")
    process.stdin.flush()
    counters: dict[str, int] = json.loads(process.stdout.readline())
    return counters
