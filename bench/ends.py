"""One end of a carnet tunnel without a campus around it: `python -m bench.ends far|near`.

The bare data plane, as wireguard-go is a bare data plane; both judge paths ten times a second as a
node does.  A line on standard input is answered with the counters of the core.
"""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bench.bed import FAR_ADDRESS
from carnet.tunnel.carrier import Carrier
from carnet.tunnel.policy import Plan

PORT = 51820
FAR_INSIDE, NEAR_INSIDE = "10.222.0.1", "10.222.0.2"
KEYS = {"far": b"f" * 32, "near": b"n" * 32}
PROBE_S = 0.2


def public(side: str) -> bytes:
    """Return the public key of one side."""
    key = X25519PrivateKey.from_private_bytes(KEYS[side]).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def main(side: str) -> None:
    """Run one side until standard input ends."""
    other = "near" if side == "far" else "far"
    inner, outer = (FAR_INSIDE, NEAR_INSIDE) if side == "far" else (NEAR_INSIDE, FAR_INSIDE)
    carrier = Carrier(KEYS[side], "bench0", f"0.0.0.0:{PORT}" if side == "far" else "0.0.0.0:0")
    for words in (f"address add {inner}/24 dev bench0", "link set bench0 mtu 1376 txqueuelen 1000 up"):
        subprocess.run(["ip", *words.split()], check=True)
    if side == "far":
        carrier.set_student(public(other), [f"{outer}/32"])
    else:
        carrier.set_campus(public(other), [f"{outer}/32"], [(0, f"{FAR_ADDRESS}:{PORT}")])
    threading.Thread(target=_tick, args=(carrier, public(other)), daemon=True).start()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(carrier.counters() | _reads_and_writes()), flush=True)


def _tick(carrier: Carrier, other: bytes) -> None:
    while True:
        carrier.report()
        carrier.obey(other, Plan(shares={0: 1.0}, probe_s=PROBE_S, shake=False))
        time.sleep(0.1)


def _reads_and_writes() -> dict[str, int]:
    """Count read(2) and write(2) of the whole process: each moves one packet, or one batch, of the TUN."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    counts = {name: int(value) for name, value in (line.split(": ") for line in lines)}
    return {"reads": counts["syscr"], "writes": counts["syscw"]}


if __name__ == "__main__":
    main(sys.argv[1])
