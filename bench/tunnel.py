"""Throughput, added delay and system calls of the tunnel, beside wireguard-go and OpenVPN.

Both ends run on this machine; the ways alternate within a round, so that a slow minute slows all of
them; figures are medians over the rounds.
"""

import json
import statistics
import subprocess

from bench import ends, ways
from bench.bed import FAR, INTERPRETER, NEAR, ask, inside, program, wire
from bench.result import Result, machine

SECONDS = 4
PINGS = 150
PEERS: dict[str, ways.Way] = {
    "bare wire": ways.bare,
    "wireguard-go": ways.wireguard_go,
    "OpenVPN": ways.openvpn,
    "carnet": ways.carnet,
}


def throughput(address: str) -> float:
    """Bits per second of one TCP connection, receiver's count, first second left out."""
    return float(_measure("tcp-sink", "tcp-source", address, str(SECONDS)))


def delays(address: str) -> list[float]:
    """One-way delays in seconds of datagrams 20 ms apart, sorted."""
    return sorted(json.loads(_measure("delay-sink", "delay-source", address, str(PINGS))))


def _measure(sink: str, source: str, address: str, amount: str) -> str:
    with program(FAR, INTERPRETER, "-m", "bench.load", sink, address, ready="ready") as receiver:
        subprocess.run(inside(NEAR, INTERPRETER, "-m", "bench.load", source, address, amount), check=True)
        return receiver.stdout.readline() if receiver.stdout else ""


def run(rounds: int) -> list[Result]:
    """Measure everything."""
    speed: dict[str, list[float]] = {name: [] for name in PEERS}
    delay: dict[str, list[list[float]]] = {name: [] for name in PEERS}
    for _ in range(rounds):
        for name, way in PEERS.items():
            with wire(), way() as address:
                delay[name].append(delays(address))
                speed[name].append(throughput(address))
    return [*_speeds(speed, rounds), *_delays(delay, rounds), system_calls(rounds)]


def _speeds(speed: dict[str, list[float]], rounds: int) -> list[Result]:
    ours = statistics.median(speed["carnet"]) / 1e6
    return [
        Result(
            name=f"tunnel, TCP, one connection, against {peer}",
            value=ours,
            unit="Mbit/s",
            baseline=statistics.median(speed[peer]) / 1e6,
            ratio=ours * 1e6 / statistics.median(speed[peer]),
            runs=rounds,
            machine=machine(),
        )
        for peer in PEERS
        if peer != "carnet"
    ]


def _delays(delay: dict[str, list[list[float]]], rounds: int) -> list[Result]:
    def at(name: str, quantile: float) -> float:
        return statistics.median(run[int(quantile * (len(run) - 1))] for run in delay[name]) * 1e3

    results = []
    for peer in ("carnet", "wireguard-go", "OpenVPN"):
        for label, quantile in (("p50", 0.5), ("p99", 0.99)):
            value, baseline = at(peer, quantile), at("bare wire", quantile)
            results.append(
                Result(
                    name=f"{peer}, idle, one-way delay {label} (160 B each 20 ms), against the bare wire",
                    value=value,
                    unit="ms",
                    baseline=baseline,
                    ratio=value / baseline,
                    runs=rounds,
                    machine=machine(),
                )
            )
    return results


def system_calls(rounds: int) -> Result:
    """System calls per packet of the sending and the receiving end while TCP fills the tunnel."""
    shares = []
    for _ in range(rounds):
        with (
            wire(),
            program(FAR, INTERPRETER, "-m", "bench.ends", "far", ready="ready") as far,
            program(NEAR, INTERPRETER, "-m", "bench.ends", "near", ready="ready") as near,
        ):
            throughput(ends.FAR_INSIDE)
            counts = [ask(end) for end in (far, near)]
        calls = sum(count["system-calls"] + count["writes"] for count in counts)
        shares.append(calls / sum(count["packets"] for count in counts))
    return Result(
        name="tunnel, TCP, both ends: system calls",
        value=statistics.median(shares),
        unit="a packet",
        baseline=None,
        ratio=None,
        runs=rounds,
        machine=machine(),
    )
