"""The one door to the Rust core: plans go down, counts come up, packets never cross.

Also hands on the relay and the lab's network, which need no words of ours.
"""

from collections.abc import Sequence
from typing import Self

from carnet._carry import LinkCounts, Network, PathCounts, PeerCounts, Relay, Tunnel
from carnet.facts import PathReading, PeerReading
from carnet.tunnel.policy import Plan

__all__ = ["Carrier", "LinkCounts", "Network", "Relay"]


class Carrier:
    """One end of a tunnel, running on threads of its own from birth until `close`.

    Calls are cheap and safe from any thread; `obey` and `report` are meant ten times a second.
    """

    def __init__(self, private_key: bytes, interface: str, listen: str) -> None:
        """Create the interface and bind the port.

        Raises:
            NoRightsError, NoTunError, InterfaceTakenError, PortInUseError: as named.
        """
        self._core = Tunnel(private_key, interface, listen)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def interface(self) -> str:
        """Return the name the interface got."""
        return self._core.interface

    @property
    def port(self) -> int:
        """Return the UDP port the tunnel listens on."""
        return self._core.port

    def set_student(self, public_key: bytes, allowed: Sequence[str]) -> None:
        """Admit a peer that calls us; its paths are learned from what it sends."""
        self._core.set_peer(public_key, allowed)

    def set_campus(self, public_key: bytes, allowed: Sequence[str], paths: Sequence[tuple[int, str]]) -> None:
        """Name the peer we call, over `paths` of (id, address:port); again to change them."""
        self._core.set_peer(public_key, allowed, paths, initiates=True)

    def remove_peer(self, public_key: bytes) -> bool:
        """Forget a peer and its keys at once; return whether it was there."""
        return self._core.remove_peer(public_key)

    def obey(self, public_key: bytes, plan: Plan) -> None:
        """Follow a plan from the next packet on."""
        if plan.shares:
            self._core.obey(public_key, list(plan.shares.items()), plan.probe_s)
        if plan.shake:
            self._core.shake(public_key)

    def report(self, *, every: bool = False) -> list[PeerReading]:
        """Return the peers whose counts changed since the last report, or every one."""
        return [_peer(counts) for counts in self._core.report(every)]

    def counters(self) -> dict[str, int]:
        """Return the counts that belong to no peer: packets lost by reason, system calls, packets."""
        return self._core.counters()

    def close(self) -> None:
        """Stop the threads and remove the interface."""
        self._core.close()


def _peer(counts: PeerCounts) -> PeerReading:
    return PeerReading(
        public_key=bytes(counts.public_key),
        handshake_age_s=counts.handshake_age_s,
        speaks_frames=counts.speaks_frames,
        paths=tuple(_path(path) for path in counts.paths),
    )


def _path(counts: PathCounts) -> PathReading:
    return PathReading(**{name: getattr(counts, name) for name in PathReading.__struct_fields__})
