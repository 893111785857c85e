"""How good a class is, world by world and tunnel by tunnel: `python -m bench.quality [--worlds ...]`.

Frames are video frames not complete 400 ms after sending; every figure is the median over the seeds, both
directions apart.  Needs root.  A world takes about a minute for each tunnel and seed.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.result import Result, append, machine, show
from carnet.lab import run as lab
from carnet.lab import world
from carnet.lab.result import Direction, Evening
from carnet.lab.tunnels import registry

SECONDS = 30.0
WORLDS = ("clear", "evening", "blackout")
"""What `make bench` runs; the rest takes hours and is asked for by name."""
BASELINE = "wireguard"

FIGURES: dict[str, tuple[str, Callable[[Direction], float | None]]] = {
    "frames late": ("%", lambda half: 100 * half.score.frames_late / max(half.score.frames, 1)),
    "sound late": ("%", lambda half: 100 * half.score.sounds_late / max(half.score.sounds, 1)),
    "MOS": ("", lambda half: half.score.mos),
    "longest freeze": ("ms", lambda half: 1000 * half.score.longest_freeze_s),
    "delay p95": ("ms", lambda half: 1000 * half.score.delay_s[1]),
    "bytes per useful byte": ("", lambda half: half.per_useful),
}


def _unwatched(moment: lab.Moment) -> None:
    """Let it run without a display."""
    del moment


def evenings(name: str, tunnels: str, seeds: int, seconds: float) -> list[Evening]:
    """Hold the class in one world, once for each seed; what fails is told on the error output."""
    chosen = world.load(name)
    kinds = registry.named(tunnels)
    if not chosen.relays:
        kinds = [kind for kind in kinds if not kind.name.endswith("-relay")]
    held = []
    for seed in range(1, seeds + 1):
        evening = lab.run(lab.Plan(name, chosen, kinds, seconds, seed), _unwatched)
        for result in evening.results:
            if result.failure or result.stalled:
                doubt = result.failure or f"machine stalled {result.stalled:.1%} of the time"
                print(f"{name}, {result.title}, seed {seed}: {doubt}", file=sys.stderr)
        held.append(evening)
    return held


def figures(held: Sequence[Evening]) -> list[Result]:
    """Return the medians of one world's evenings, each beside stock WireGuard's."""
    results = []
    for half in ("down", "up"):
        for figure, (unit, value) in FIGURES.items():
            medians = _medians(held, half, value)
            baseline = medians.get(BASELINE)
            for tunnel, median in medians.items():
                ratio = median / baseline if baseline else None
                name = f"{held[0].world}, {half}, {figure}, {tunnel}"
                beside = baseline if ratio is not None else None
                results.append(
                    Result(
                        name=name,
                        value=median,
                        unit=unit,
                        baseline=beside,
                        ratio=ratio,
                        runs=len(held),
                        machine=machine(),
                    )
                )
    return results


def _medians(
    held: Sequence[Evening], half: str, value: Callable[[Direction], float | None]
) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for evening in held:
        for result in evening.results:
            direction = result.down if half == "down" else result.up
            measured = value(direction) if direction is not None else None
            if measured is not None:
                found.setdefault(result.tunnel, []).append(measured)
    return {tunnel: statistics.median(values) for tunnel, values in found.items()}


def run(rounds: int) -> list[Result]:
    """Measure the worlds of `make bench` with the default tunnels, `rounds` seeds each."""
    tunnels = ",".join(registry.DEFAULT)
    return [result for name in WORLDS for result in figures(evenings(name, tunnels, rounds, SECONDS))]


def main() -> None:
    """Measure what is asked for, and print each world as it is done."""
    parser = argparse.ArgumentParser(prog="python -m bench.quality", description=__doc__)
    parser.add_argument("--worlds", default=",".join(world.shipped()), help="names with commas between")
    parser.add_argument("--tunnels", default=",".join(registry.TUNNELS), help="names with commas between")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--json", type=Path, help="also append the figures to this file")
    arguments = parser.parse_args()
    for name in arguments.worlds.split(","):
        results = figures(evenings(name, arguments.tunnels, arguments.seeds, arguments.seconds))
        show(results)
        if arguments.json:
            append(results, arguments.json)


if __name__ == "__main__":
    main()
