"""Datagrams per second through the relay, against the kernel's own nftables DNAT and masquerade.

Three namespaces in a row, client - forwarder - server, joined by veth pairs.  The same generator and
the same sink for both; runs alternate; medians.  Two generators: `plain` sends one datagram each
(`sendmmsg`), as they come from a network; `gso` sends trains of up to 64 kB in one piece, as only a
machine can to itself.  DNAT hands such a train on without looking into it; the relay must copy every
octet in and out, which bounds it for large datagrams.
"""

import json
import os
import statistics
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from bench.bed import INTERPRETER, ROOT, ask, call, inside, program
from bench.result import Result, machine

CRATE = ROOT / "rust/carry"
BLAST = CRATE / "target/release/examples/blast"
KEY = bytes(range(32))
PORT_DNAT, PORT_RELAY, PORT_SINK = 51820, 51821, 51822
CLIENT, FORWARDER, SERVER = "carnet-bench-c", "carnet-bench-f", "carnet-bench-s"
SIZES = {"small": 96, "large": 1_408}
"""Octets of UDP payload: a packet of speech in WireGuard, and a full one."""

RULES = f"""
table ip bench {{
  chain in {{ type nat hook prerouting priority dstnat;
    udp dport {PORT_DNAT} dnat to 10.220.2.2:{PORT_SINK}; }}
  chain out {{ type nat hook postrouting priority srcnat; oifname "server" masquerade; }}
}}
"""

RELAY = f"""
import json, sys
from carnet import _carry
relay = _carry.Relay("0.0.0.0:{PORT_RELAY}", [(bytes.fromhex("{KEY.hex()}"), "10.220.2.2:{PORT_SINK}")])
print("ready", flush=True)
for _ in sys.stdin:
    print(json.dumps(relay.counts()), flush=True)
"""


def on(number: int) -> list[str]:
    """Words that keep a command on one processor, where there are several.

    The kernel forwards where the generator runs: processor 0.  The relay has another; the sink may use any.
    """
    return ["taskset", "-c", str(number % (os.cpu_count() or 1))]


@contextmanager
def bed() -> Iterator[None]:
    """Three namespaces in a row."""
    names = (CLIENT, FORWARDER, SERVER)
    try:
        for name in names:
            call("ip", "netns", "add", name)
        for name, there, net in ((CLIENT, "client", 1), (SERVER, "server", 2)):
            peer = ("peer", "name", there, "netns", FORWARDER)
            call("ip", "link", "add", "wire", "netns", name, "type", "veth", *peer)
            call("ip", "-n", name, "address", "add", f"10.220.{net}.2/24", "dev", "wire")
            call("ip", "-n", FORWARDER, "address", "add", f"10.220.{net}.1/24", "dev", there)
            call("ip", "-n", name, "link", "set", "wire", "up")
            call("ip", "-n", FORWARDER, "link", "set", there, "up")
            call("ip", "-n", name, "route", "add", "default", "via", f"10.220.{net}.1")
        call(*inside(FORWARDER, "sysctl", "-qw", "net.ipv4.ip_forward=1"))
        yield
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


@contextmanager
def dnat() -> Iterator[None]:
    """The kernel's forwarding in the middle namespace; gone afterwards, for the relay needs no tracking."""
    call(*inside(FORWARDER, "nft", "-f", "-"), stdin=RULES)
    try:
        yield
    finally:
        call(*inside(FORWARDER, "nft", "delete", "table", "ip", "bench"))


def relay() -> AbstractContextManager["subprocess.Popen[str]"]:
    """Our relay in the middle namespace; it answers each line with its counts."""
    return program(FORWARDER, *on(1), INTERPRETER, "-c", RELAY, ready="ready")


def blast(port: int, size: int, flows: int, mode: str, seconds: float) -> float:
    """Datagrams per second that reach the sink when sent to `port` of the forwarder."""
    sink = subprocess.Popen(
        inside(SERVER, str(BLAST), "sink", f"10.220.2.2:{PORT_SINK}", str(seconds)),
        stdout=subprocess.PIPE,
        text=True,
    )
    to = f"10.220.1.1:{port}"
    words = [str(BLAST), "send", to, KEY.hex(), str(size), str(flows), mode, str(seconds + 2)]
    sender = subprocess.Popen(inside(CLIENT, *on(0), *words))
    try:
        out, _ = sink.communicate(timeout=seconds + 20)
    finally:
        sender.terminate()
        sender.wait()
        sink.kill()
    counted = json.loads(out)
    return float(counted["packets"] / counted["seconds"])


def compare(name: str, size: int, flows: int, mode: str, runs: int, seconds: float) -> list[Result]:
    """Alternate runs of both forwarders; return the rate and the relay's system calls per datagram."""
    ours: list[float] = []
    theirs: list[float] = []
    calls: list[float] = []
    for _ in range(runs):
        with dnat():
            theirs.append(blast(PORT_DNAT, size, flows, mode, seconds))
        with relay() as process:
            ours.append(blast(PORT_RELAY, size, flows, mode, seconds))
            told = ask(process)
            calls.append(told["system_calls"] / max(told["to_campus_packets"], 1))
    value, baseline = statistics.median(ours), statistics.median(theirs)
    what = f"relay, {name} ({size} B), {flows} flow{'s' * (flows > 1)}, {mode}"
    rate = Result(
        name=f"{what}: forwarded",
        value=value,
        unit="packets/s",
        baseline=baseline,
        ratio=value / baseline,
        runs=runs,
        machine=machine(),
    )
    thrift = Result(
        name=f"{what}: system calls",
        value=statistics.median(calls),
        unit="a packet",
        baseline=None,
        ratio=None,
        runs=runs,
        machine=rate.machine,
    )
    return [rate, thrift]


def run(runs: int = 5, seconds: float = 1.0) -> list[Result]:
    """Measure every combination of size, generator and number of flows; needs root."""
    manifest = str(CRATE / "Cargo.toml")
    call("cargo", "build", "--quiet", "--release", "--example", "blast", "--manifest-path", manifest)
    results = []
    with bed():
        for mode in ("gso", "plain"):
            for name, size in SIZES.items():
                for flows in (1, 32):
                    results += compare(name, size, flows, mode, runs, seconds)
    return results
