"""A world brought to life: its hosts on the link engine, and its events as they fall due."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from carnet.lab.hosts import Hosts
from carnet.lab.world import Link, Shape, World
from carnet.tunnel.carrier import Network


@dataclass(frozen=True, slots=True)
class Carried:
    """What one direction of a link was offered, and what it let through, since the start."""

    source: str
    target: str
    packets: int
    octets: int
    delivered_packets: int
    delivered_octets: int


class Emulation:
    """The links of one world between `hosts`.  Starts calm; `worsen` brings the world's own losses."""

    def __init__(self, world: World, hosts: Hosts, seed: int) -> None:
        self._world = world
        self._hosts = hosts
        self._network = Network(seed)
        for host in world.hosts:
            descriptor = hosts.add(host)
            try:
                self._network.add_host(host.name, descriptor, host.addresses)
            finally:
                os.close(descriptor)
        for link in world.every_link():
            self._set(link, link.shape.calm())
        self._network.start()

    def worsen(self) -> None:
        """Let every link behave as the world says, from now on."""
        for link in self._world.every_link():
            self._set(link, link.shape)

    def set_links(self, links: Iterable[Link]) -> None:
        """Change some links."""
        for link in links:
            self._set(link, link.shape)

    def cut_direct(self) -> None:
        """Let nothing through between student and campus any more, nor between student and classroom."""
        student, campus = self._world.only("student").name, self._world.only("campus").name
        for link in self._world.links:
            if {link.source, link.target} == {student, campus}:
                for twin in self._world.twins(link):
                    self._set(twin, msgspec.structs.replace(twin.shape, loss=1.0))

    def readdress(self, host: str, addresses: list[str]) -> None:
        """Give a host other addresses, on its interface and in the network."""
        self._network.set_addresses(host, addresses)
        self._hosts.readdress(host, addresses)

    def carried(self) -> list[Carried]:
        """Return what every link has carried so far."""
        return [
            Carried(
                counts.source,
                counts.target,
                counts.offered_packets,
                counts.offered_bytes,
                counts.delivered_packets,
                counts.delivered_bytes,
            )
            for counts in self._network.counts()
        ]

    def close(self) -> None:
        """Stop the engine."""
        self._network.close()

    def _set(self, link: Link, shape: Shape) -> None:
        fields: dict[str, Any] = msgspec.structs.asdict(shape)
        self._network.set_link(link.source, link.target, **fields)
