"""A class service: the networks, ports and names that may use the tunnel.  Pure.

A name `*.zoom.us` stands for every name below it and not for `zoom.us` itself, as the
vendors write it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from carnet.errors import MisuseError
from carnet.tunnel import addresses


@dataclass(frozen=True, slots=True)
class Ports:
    """A run of ports of one protocol, both ends included."""

    protocol: str
    first: int
    last: int

    @classmethod
    def parse(cls, text: str) -> "Ports":
        """Read `udp/3478` or `udp/8801-8810`.  Raises MisuseError."""
        protocol, slash, run = text.partition("/")
        first, dash, last = run.partition("-")
        if protocol not in ("tcp", "udp") or not slash:
            raise MisuseError(f"{text!r} is no port: write udp/3478 or udp/8801-8810")
        low = _port(first, text)
        high = _port(last, text) if dash else low
        if high < low or (dash and high == low):
            raise MisuseError(f"{text!r}: the last port must be above the first")
        return cls(protocol, low, high)


def _port(digits: str, text: str) -> int:
    if not digits.isascii() or not digits.isdigit() or digits.startswith("0") or len(digits) > 5:
        raise MisuseError(f"{text!r} is no port: write udp/3478 or udp/8801-8810")
    port = int(digits)
    if port > 65535:
        raise MisuseError(f"{text!r}: a port is at most 65535")
    return port


class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One class service as the directory carries it."""

    name: str
    ranges: tuple[str, ...]
    ports: tuple[str, ...]
    domains: tuple[str, ...]

    def __post_init__(self) -> None:
        addresses.name(self.name)
        for text in self.ranges:
            addresses.canonical_network(text)
        for text in self.ports:
            Ports.parse(text)
        for text in self.domains:
            addresses.domain(text)


class NameList:
    """Answers which class service a name belongs to, if any; a lookup costs its labels."""

    def __init__(self, services: Iterable[Service]) -> None:
        self._exact: dict[str, str] = {}
        self._below: dict[str, str] = {}
        for service in services:
            for domain in service.domains:
                if domain.startswith("*."):
                    self._below.setdefault(domain[2:], service.name)
                else:
                    self._exact.setdefault(domain, service.name)

    def __bool__(self) -> bool:
        return bool(self._exact or self._below)

    def domains(self) -> list[str]:
        """Return the domains without `*.`, each once, sorted: what split resolvers are told."""
        return sorted(self._exact.keys() | self._below.keys())

    def service_of(self, name: str) -> str | None:
        """Return the service of a name (any case, with or without the last dot), or None."""
        labels = name.lower().removesuffix(".").split(".")
        whole = ".".join(labels)
        if whole in self._exact:
            return self._exact[whole]
        for start in range(1, len(labels)):
            found = self._below.get(".".join(labels[start:]))
            if found is not None:
                return found
        return None
