"""Memory of a running campus with a thousand passes."""

import tempfile
import time
from pathlib import Path

from bench.bed import FAR, FAR_ADDRESS, INTERPRETER, call, program, wire
from bench.result import Result, machine
from carnet.node.store import Store

PASSES = 1000
CARNET = (INTERPRETER, "-m", "carnet")


def run(rounds: int) -> list[Result]:
    """Resident memory once it serves, and again after ten seconds of service; the larger counts."""
    # The same every time within a megabyte: one look is enough, for a thousand passes take half a minute.
    rounds = min(rounds, 1)
    sizes = [_once() for _ in range(rounds)]
    return [
        Result(
            name=f"campus with {PASSES} passes: resident memory",
            value=sorted(sizes)[len(sizes) // 2],
            unit="MB",
            baseline=None,
            ratio=None,
            runs=rounds,
            machine=machine(),
        )
    ]


def _once() -> float:
    with tempfile.TemporaryDirectory() as folder, wire():
        home = Path(folder) / "campus"
        call(*CARNET, "campus", "init", str(home), "--name", "bench", "--endpoint", f"{FAR_ADDRESS}:51820")
        with Store(home) as store:
            for number in range(PASSES):
                with store.issuing(f"student{number}", int(time.time())):
                    pass
        with program(FAR, *CARNET, "campus", "run", str(home), ready="ready campus") as campus:
            sizes = [_resident(campus.pid)]
            time.sleep(10)
            return max(*sizes, _resident(campus.pid)) / 1e6


def _resident(pid: int) -> float:
    """Octets of a process' resident memory; `ip netns exec` has replaced itself by the command."""
    for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024
    raise SystemExit("the campus is gone")
