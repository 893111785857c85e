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

    def __init__(self, private_key: bytes, interface: str, listen: str, mtu_bytes: int) -> None:
        """Create the interface and bind the port.

        Raises:
            NoRightsError, NoTunError, InterfaceTakenError, PortInUseError: as named.
        """
        self._core = Tunnel(private_key, interface, listen, mtu_bytes)

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

    def dropped(self) -> dict[str, int]:
        """Return how many packets were dropped, by reason."""
        return self._core.dropped()

    def close(self) -> None:
        """Stop the threads and remove the interface."""
        self._core.close()


def _peer(counts: PeerCounts) -> PeerReading:
    return PeerReading(
        public_key=counts.public_key,
        handshake_age_s=counts.handshake_age_s,
        speaks_frames=counts.speaks_frames,
        sent_packets=counts.sent_packets,
        sent_bytes=counts.sent_bytes,
        received_packets=counts.received_packets,
        received_bytes=counts.received_bytes,
        paths=tuple(_path(path) for path in counts.paths),
    )


def _path(counts: PathCounts) -> PathReading:
    return PathReading(
        path=counts.path,
        remote=counts.remote,
        sent_packets=counts.sent_packets,
        sent_bytes=counts.sent_bytes,
        received_packets=counts.received_packets,
        received_bytes=counts.received_bytes,
        lost_packets=counts.lost_packets,
        bursts=counts.bursts,
        longest_burst=counts.longest_burst,
        heard_age_s=counts.heard_age_s,
        rtt_s=counts.rtt_s,
        rtt_least_s=counts.rtt_least_s,
        jitter_s=counts.jitter_s,
        queue_s=counts.queue_s,
        far_received_packets=counts.far_received_packets,
        far_lost_packets=counts.far_lost_packets,
        far_bursts=counts.far_bursts,
        far_longest_burst=counts.far_longest_burst,
        far_jitter_s=counts.far_jitter_s,
        far_queue_s=counts.far_queue_s,
        mtu_bytes=counts.mtu_bytes,
    )
