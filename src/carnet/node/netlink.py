"""Addresses, links and routes of this machine, by netlink (pyroute2).

Only routes marked with our own protocol number are ever removed or overlooked.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from pyroute2 import AsyncIPRoute
from pyroute2.netlink.exceptions import NetlinkError

from carnet.errors import GatewayError
from carnet.node.undo import Journal

PROTOCOL = 178
"""Marks our routes (rtnetlink(7): values above 4 are the user's); free in iproute2's rt_protos."""
METRIC = 2000
"""Higher than any the system gives: an equally long route of the machine's own network wins."""
MAIN_TABLE = 254
NODAD = 0x02
"""IFA_F_NODAD: nobody else can have an address on our own TUN, so it is usable at once."""


@dataclass(frozen=True, slots=True)
class Hop:
    """The next hop outside the tunnel: a gateway (None on a direct link) on an interface index."""

    gateway: str | None
    interface: int


class Netlink:
    """An open netlink socket; use with `async with`."""

    def __init__(self) -> None:
        self._ip = AsyncIPRoute()

    async def __aenter__(self) -> "Netlink":
        await self._ip.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ip.__aexit__(None, None, None)

    async def index(self, interface: str) -> int:
        """Return the number of an interface.  Raises GatewayError if there is none."""
        found = await self._ip.link_lookup(ifname=interface)
        if not found:
            raise GatewayError(f"no interface {interface}")
        return int(found[0])

    async def bring_up(self, interface: str, addresses: list[str], mtu_bytes: int) -> int:
        """Give an interface its addresses (ADDRESS/BITS) and bring it up; return its index."""
        index = await self.index(interface)
        await self._do("link", "set", index=index, mtu=mtu_bytes, state="up")
        for text in addresses:
            address, _, bits = text.partition("/")
            try:
                await self._do("addr", "add", index=index, address=address, prefixlen=int(bits), flags=NODAD)
            except GatewayError:
                # A machine without IPv6 still carries IPv4.
                if ":" not in address:
                    raise
        return index

    async def route_into(self, index: int, network: str, source: str | None) -> bool:
        """Route a network to our interface; return False where the machine cannot (no IPv6)."""
        arguments: dict[str, Any] = {"dst": network, "oif": index, "proto": PROTOCOL, "priority": METRIC}
        if source is not None:
            arguments["prefsrc"] = source
        try:
            await self._ip.route("add", **arguments)
        except NetlinkError as error:
            if error.code == 17:
                return True
            if ":" in network:
                return False
            raise GatewayError(f"route {network}: {error}") from error
        return True

    async def unroute(self, index: int, network: str) -> None:
        """Take a route of ours away; quiet if it is gone."""
        try:
            await self._ip.route("del", dst=network, oif=index, proto=PROTOCOL, priority=METRIC)
        except NetlinkError as error:
            if error.code != 3:
                raise GatewayError(f"route {network}: {error}") from error

    async def hop_outside(self, address: str, tunnel_index: int) -> Hop | None:
        """Return how packets to `address` leave this machine when our own routes are overlooked."""
        target = ip_address(address)
        best: tuple[int, int, Hop] | None = None
        family = 2 if target.version == 4 else 10
        async for route in await self._ip.get_routes(family=family, table=MAIN_TABLE):
            oif = route.get_attr("RTA_OIF")
            if route.get("proto") == PROTOCOL or oif is None or oif == tunnel_index:
                continue
            bits = int(route.get("dst_len", 0))
            into = route.get_attr("RTA_DST") or target.__class__(0)
            if target not in ip_network(f"{into}/{bits}", strict=False):
                continue
            metric = int(route.get_attr("RTA_PRIORITY") or 0)
            if best is None or (bits, -metric) > best[:2]:
                best = (bits, -metric, Hop(route.get_attr("RTA_GATEWAY"), int(oif)))
        return None if best is None else best[2]

    async def pin(self, journal: Journal, address: str, hop: Hop) -> None:
        """Keep one address outside the tunnel, by the hop it had before; undone at the end."""
        target = f"{address}/{ip_address(address).max_prefixlen}"
        journal.note(kind="route", to=target, proto=PROTOCOL)
        arguments: dict[str, Any] = {"dst": target, "oif": hop.interface, "proto": PROTOCOL}
        if hop.gateway is not None:
            arguments["gateway"] = hop.gateway
        await self._do("route", "replace", **arguments)

    async def unpin(self, address: str) -> None:
        """Take the pin of an address away; quiet if it is gone."""
        target = f"{address}/{ip_address(address).max_prefixlen}"
        try:
            await self._ip.route("del", dst=target, proto=PROTOCOL)
        except NetlinkError as error:
            if error.code != 3:
                raise GatewayError(f"route {target}: {error}") from error

    async def has_default(self, family: int) -> bool:
        """Return whether the machine reaches the rest of the world by IPv4 (2) or IPv6 (10)."""
        async for route in await self._ip.get_routes(family=family, table=MAIN_TABLE):
            if route.get("dst_len") == 0:
                return True
        return False

    async def _do(self, what: str, action: str, **arguments: Any) -> None:  # noqa: ANN401  pyroute2's own
        try:
            await getattr(self._ip, what)(action, **arguments)
        except NetlinkError as error:
            raise GatewayError(f"{what} {action} {arguments.get('dst', '')}: {error}") from error
