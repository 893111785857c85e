"""What a benchmark reports, and on which machine.  Reads the machine; measures nothing."""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One figure, with what it is compared to."""

    name: str
    """What was measured, sizes included."""

    value: float
    """Median of the runs, in `unit`."""

    unit: str

    baseline: float | None
    """Median of the peer in the same runs, or None where there is no peer."""

    ratio: float | None
    """`value` / `baseline`."""

    runs: int

    machine: str


def machine() -> str:
    """Name processor, number of processors and kernel."""
    lines = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace").splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{model}, {os.cpu_count()} processors, Linux {platform.release()}"


def show(results: Sequence[Result]) -> None:
    """Print the results as lines."""
    if results:
        print(results[0].machine)
    for result in results:
        peer = (
            ""
            if result.baseline is None
            else f"   baseline {result.baseline:,.4g}   ratio {result.ratio:.2f}"
        )
        print(f"{result.name:<58} {result.value:>12,.4g} {result.unit}{peer}   ({result.runs} runs)")


def append(results: Sequence[Result], file: Path) -> None:
    """Append the results to the JSON list in `file`, which is made when missing."""
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    file.parent.mkdir(parents=True, exist_ok=True)
    known += [asdict(result) for result in results]
    file.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
