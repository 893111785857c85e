"""The student's routes: class networks into the tunnel, the tunnel's own endpoints never.

`open` once, then `take` each directory, `admit` resolved addresses, and `check` every few
seconds, because laptops change networks.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network

import structlog

from carnet.node.netlink import Hop, Netlink
from carnet.node.undo import Journal
from carnet.tunnel.addresses import Network, single
from carnet.tunnel.config import MTU_BYTES
from carnet.tunnel.directory import Directory
from carnet.tunnel.passes import Holding

log = structlog.get_logger()

ADMITTED_MOST = 4096
"""Addresses of class names routed at once; a route stays while the join runs, for calls last."""


class Underlay:
    """The routes of one join; those into the tunnel vanish with its interface."""

    def __init__(self, netlink: Netlink, journal: Journal, interface: str) -> None:
        self._netlink = netlink
        self._journal = journal
        self._interface = interface
        self._index = 0
        self._sources: dict[int, str] = {}
        self._listed: set[str] = set()
        self._admitted: dict[str, None] = {}
        self._pins: dict[str, Hop] = {}

    async def open(self, holding: Holding, directory: Directory) -> None:
        """Give the interface the student's addresses and bring it up."""
        self._sources = {4: holding.address(directory), 6: holding.address6()}
        own = [single(ip_address(text)) for text in self._sources.values()]
        self._index = await self._netlink.bring_up(self._interface, own, MTU_BYTES)

    async def take(self, directory: Directory, endpoints: Iterable[str]) -> None:
        """Route what the directory lists, and keep these endpoints outside.  Pins come first."""
        wanted = set(directory.networks())
        await self._pin(endpoints, wanted | self._admitted.keys())
        for network in sorted(wanted - self._listed):
            await self._route(network)
        for network in self._listed - wanted - self._admitted.keys():
            await self._netlink.unroute(self._index, network)
        self._listed = wanted

    async def admit(self, found: Iterable[str], endpoints: Iterable[str]) -> bool:
        """Route the addresses of a class name; return whether any is new."""
        outside = set(endpoints)
        new = [single(ip_address(text)) for text in found if text not in outside]
        new = [network for network in new if network not in self._admitted]
        for network in new:
            await self._route(network)
            self._admitted[network] = None
        while len(self._admitted) > ADMITTED_MOST:
            oldest = next(iter(self._admitted))
            del self._admitted[oldest]
            await self._netlink.unroute(self._index, oldest)
        return bool(new)

    def allowed(self) -> list[str]:
        """Return what may come out of the tunnel: exactly what is routed into it."""
        return sorted(self._listed | self._admitted.keys())

    async def check(self, endpoints: Iterable[str]) -> None:
        """Pin again where the way out changed."""
        await self._pin(endpoints, self._listed | self._admitted.keys())

    async def _route(self, network: str) -> None:
        version = ip_network(network).version
        if not await self._netlink.route_into(self._index, network, self._sources[version]):
            log.info("not-routed", family=version)

    async def _pin(self, endpoints: Iterable[str], networks: Iterable[str]) -> None:
        routed = [ip_network(text) for text in networks]
        wanted = {text for text in endpoints if _inside(text, routed)}
        for address in self._pins.keys() - wanted:
            await self._netlink.unpin(address)
            del self._pins[address]
        for address in sorted(wanted):
            hop = await self._netlink.hop_outside(address, self._index)
            if hop is not None and self._pins.get(address) != hop:
                await self._netlink.pin(self._journal, address, hop)
                self._pins[address] = hop


def _inside(text: str, networks: Iterable[Network]) -> bool:
    value = ip_address(text)
    return any(value in network for network in networks)
