"""Which path ids mean which relay, and which of a host's addresses is tried now.  Pure.

A path keeps its id as long as its relay is in the directory, because the campus knows
paths by id.  A host with several addresses is tried one address at a time; the next one
follows when the path stays silent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from carnet.tunnel import addresses
from carnet.tunnel.directory import Directory

DIRECT = "direct"
PATHS_MOST = 200
TRY_NEXT_AFTER_S = 3.0
"""Silence after which the host's next address is tried: three handshakes, the first may be lost."""


@dataclass(slots=True)
class Way:
    """One way to the campus: directly, or by a relay."""

    path: int
    name: str
    host: str
    port: int
    found: tuple[str, ...] = ()
    """Addresses of the host, best first; empty while unresolved."""
    turn: int = 0
    tried_at: float = field(default=0.0)

    @property
    def remote(self) -> str | None:
        """Return address:port to use now, or None while unresolved."""
        if not self.found:
            return None
        return addresses.endpoint_text(self.found[self.turn % len(self.found)], self.port)


class Ways:
    """The ways of one student to one campus.

    `take` a directory, then `resolved` for each host looked up, then `paths`; `silent`
    each tick with the paths nobody answered on.
    """

    def __init__(self) -> None:
        self._ways: dict[str, Way] = {}
        self._next = 1

    def take(self, directory: Directory) -> None:
        """Add the relays that are new, forget those that are gone, keep the ids of the rest."""
        wanted = {DIRECT: directory.endpoint} | {f"relay {e.name}": e.endpoint for e in directory.relays}
        old, self._ways = self._ways, {}
        for name, endpoint in wanted.items():
            host, port = addresses.endpoint(endpoint)
            way = old.get(name)
            if way is None or (way.host, way.port) != (host, port):
                way = Way(self._id(name, way), name, host, port)
            self._ways[name] = way

    def _id(self, name: str, before: Way | None) -> int:
        if name == DIRECT:
            return 0
        if before is not None:
            return before.path
        used = {way.path for way in self._ways.values()}
        path = self._next
        while path in used:
            path = path % PATHS_MOST + 1
        self._next = path % PATHS_MOST + 1
        return path

    def hosts(self) -> list[str]:
        """Return the hosts to look up."""
        return list(dict.fromkeys(way.host for way in self._ways.values()))

    def resolved(self, found: Mapping[str, Sequence[str]], now: float) -> bool:
        """Take the addresses of hosts; return whether any path changes."""
        before = self.paths()
        for way in self._ways.values():
            new = tuple(found.get(way.host, ()))
            if new and new != way.found:
                using = way.found[way.turn % len(way.found)] if way.found else None
                way.found = new
                way.turn = new.index(using) if using in new else 0
                way.tried_at = now
        return self.paths() != before

    def silent(self, heard: set[int], now: float) -> bool:
        """Move paths that stay silent to their host's next address; return whether any changed."""
        changed = False
        for way in self._ways.values():
            if way.path in heard or len(way.found) < 2:
                way.tried_at = now
            elif now - way.tried_at >= TRY_NEXT_AFTER_S:
                way.turn += 1
                way.tried_at = now
                changed = True
        return changed

    def paths(self) -> list[tuple[int, str]]:
        """Return (id, address:port) of every way that has an address."""
        return [(way.path, way.remote) for way in self._ways.values() if way.remote is not None]

    def name(self, path: int) -> str:
        """Return `direct` or `relay NAME` for a path id."""
        return next((way.name for way in self._ways.values() if way.path == path), f"path {path}")

    def endpoints(self) -> set[str]:
        """Return every address in use outside the tunnel; none of them may be routed into it."""
        return {address for way in self._ways.values() for address in way.found}
