"""What the kernel says of the interfaces of this network namespace, without netlink.

Read from /proc/net/dev, which shows our own namespace (/sys shows the one it was mounted in).
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DeviceCounts:
    """Traffic of one interface since it was made; for a tunnel, what is inside it."""

    received_bytes: int = 0
    received_packets: int = 0
    sent_bytes: int = 0
    sent_packets: int = 0


def exists(interface: str) -> bool:
    """Return whether there is an interface of that name."""
    return interface in _lines()


def counts(interface: str) -> DeviceCounts:
    """Return the traffic of an interface; zeros if there is none of that name."""
    numbers = [int(number) for number in _lines().get(interface, "").split()]
    if len(numbers) < 10:
        return DeviceCounts()
    return DeviceCounts(numbers[0], numbers[1], numbers[8], numbers[9])


def _lines() -> dict[str, str]:
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    split = (line.partition(":") for line in lines)
    return {name.strip(): numbers for name, _, numbers in split}
