"""The campus on disk: one SQLite file and two key files in a directory of its owner.

Every change is one transaction that also signs the next directory, so a `kill -9` leaves
either all of it or nothing.  WAL with synchronous FULL: what a command reported is on disk.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import sqlalchemy as sa

from carnet.errors import (
    NameTakenError,
    NetworkFullError,
    NotACampusError,
    StoreError,
    UnknownNameError,
)
from carnet.node import disk
from carnet.node.database import DATABASE, GATEWAY_KEY, SIGNING_KEY, connect, translated
from carnet.node.schema import SCHEMA_VERSION, allow, campus, directory_row, relay, service, student
from carnet.seal import keys
from carnet.tunnel import addresses, catalogue, passes
from carnet.tunnel import directory as directories
from carnet.tunnel.directory import DAY_S, Directory, RelayEntry
from carnet.tunnel.passes import Pass


@dataclass(frozen=True, slots=True)
class StudentRow:
    """One pass as the campus remembers it; the student's private key is never here."""

    number: int
    student: str
    public_key: bytes
    issued: int
    expires: int
    revoked: int | None

    def state(self, now: float) -> str:
        """Return `valid`, `revoked` or `expired`."""
        if self.revoked is not None:
            return "revoked"
        return "valid" if now < self.expires else "expired"

    def works(self, now: float) -> bool:
        """Return whether the tunnel answers this pass."""
        return self.state(now) == "valid"


class Store:
    """An open campus.  Times are arguments: `now` is seconds since 1970."""

    def __init__(self, path: Path) -> None:
        """Open the campus in directory `path`.

        Raises:
            NotACampusError: there is none.
            StoreError, DiskFullError, NoRightsError: it cannot be opened.
        """
        self.path = path
        if not (path / DATABASE).is_file():
            raise NotACampusError(f"{path} holds no campus: make one with `carnet campus init`")
        self._engine = connect(path / DATABASE)
        self._signing_key = keys.key_from_text(disk.read_file(path / SIGNING_KEY).decode("ascii").strip())
        with self._asking() as connection:
            found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if found != SCHEMA_VERSION:
                raise StoreError(f"{path} is of version {found}, this program of {SCHEMA_VERSION}")
            self._campus = connection.execute(sa.select(campus)).one()

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def name(self) -> str:
        """Return the campus' name."""
        return str(self._campus.name)

    @property
    def endpoint(self) -> str:
        """Return where students reach the gateway, HOST:PORT."""
        return str(self._campus.endpoint)

    def gateway_key(self) -> bytes:
        """Return the gateway's private WireGuard key."""
        return keys.key_from_text(disk.read_file(self.path / GATEWAY_KEY).decode("ascii").strip())

    def directory(self) -> tuple[Directory, bytes]:
        """Return the newest directory and its signed document."""
        with self._asking() as connection:
            return self._newest(connection)

    def renew(self, now: int) -> None:
        """Sign a new directory if the data files changed or the last one ages."""
        with self._changing() as connection:
            self._sign(connection, now, until=now + passes.LIFETIME_S + DAY_S)

    def add_relay(self, entry: RelayEntry, now: int) -> None:
        """Put a relay in the directory.  Raises NameTakenError."""
        with self._changing() as connection:
            taken = connection.execute(sa.select(relay).where(relay.c.name == entry.name)).first()
            if taken is not None:
                raise NameTakenError(f"there is a relay {entry.name!r} at {taken.endpoint}: remove it first")
            connection.execute(relay.insert().values(msgspec.structs.asdict(entry)))
            self._sign(connection, now)

    def remove_relay(self, name: str, now: int) -> None:
        """Take a relay out of the directory.  Raises UnknownNameError."""
        with self._changing() as connection:
            if connection.execute(relay.delete().where(relay.c.name == name)).rowcount == 0:
                raise UnknownNameError(f"no relay {name!r} in this campus")
            self._sign(connection, now)

    @contextmanager
    def issuing(self, name: str, now: int, lifetime_s: int = passes.LIFETIME_S) -> Iterator[bytes]:
        """Give the pass file of a new student; the student exists once the block ends well.

        The caller writes the file inside the block: a full disk then loses nothing.

        Raises:
            NameTakenError: the student has a pass that works.
            NetworkFullError: no address left.
        """
        addresses.student_name(name)
        private_key = keys.new_wireguard_key()
        with self._changing() as connection:
            held = [row for row in self._students(connection) if row.student == name and row.works(now)]
            if held:
                raise NameTakenError(f"{name} has a pass: revoke it before issuing another")
            signed = Pass(
                campus=self.name,
                signing_key=keys.verifying_key(self._signing_key),
                student=name,
                public_key=keys.wireguard_public(private_key),
                number=self._free_number(connection, now),
                issued=now,
                expires=now + lifetime_s,
            )
            # A number may be had again once its pass no longer works: the old row makes room.
            connection.execute(student.delete().where(student.c.number == signed.number))
            connection.execute(
                student.insert().values(
                    number=signed.number,
                    student=name,
                    public_key=signed.public_key,
                    issued=signed.issued,
                    expires=signed.expires,
                    revoked=None,
                )
            )
            self._sign(connection, now, until=signed.expires + 1)
            _, document = self._newest(connection)
            yield passes.write(signed, self._signing_key, document, private_key)

    def revoke(self, name: str, now: int) -> None:
        """Take a student's pass back; a running campus stops answering it.  Raises UnknownNameError."""
        with self._changing() as connection:
            theirs = (student.c.student == name) & (student.c.revoked.is_(None))
            if connection.execute(student.update().where(theirs).values(revoked=now)).rowcount == 0:
                raise UnknownNameError(f"{name!r} has no pass to revoke")

    def students(self) -> list[StudentRow]:
        """Return every pass, by number."""
        with self._asking() as connection:
            return self._students(connection)

    def data_version(self) -> int:
        """Return a number that changes when another process changed the file; costs microseconds."""
        with self._asking() as connection:
            return int(connection.exec_driver_sql("PRAGMA data_version").scalar_one())

    def _students(self, connection: sa.Connection) -> list[StudentRow]:
        rows = connection.execute(sa.select(student).order_by(student.c.number))
        return [StudentRow(r.number, r.student, r.public_key, r.issued, r.expires, r.revoked) for r in rows]

    def _free_number(self, connection: sa.Connection, now: int) -> int:
        last = addresses.tunnel_network(self._campus.network).num_addresses - 2
        highest = connection.execute(sa.select(sa.func.max(student.c.number))).scalar_one() or 1
        if highest < last:
            return int(highest) + 1
        for row in self._students(connection):
            if not row.works(now):
                return row.number
        raise NetworkFullError(f"all {last - 1} addresses of {self._campus.network} are taken")

    def _newest(self, connection: sa.Connection) -> tuple[Directory, bytes]:
        newest = sa.select(directory_row).order_by(directory_row.c.version.desc()).limit(1)
        row = connection.execute(newest).one()
        return msgspec.json.decode(row.document.split(b"\n")[1], type=Directory), row.document

    def _sign(self, connection: sa.Connection, now: int, until: int = 0) -> None:
        """Sign the next directory if what it says differs from the last, or that ends before `until`."""
        last, _ = self._newest(connection)
        relays = connection.execute(sa.select(relay).order_by(relay.c.name))
        services = connection.execute(sa.select(service.c.name).order_by(service.c.name)).scalars()
        allowed = connection.execute(sa.select(allow.c.network).order_by(allow.c.network)).scalars()
        new = msgspec.structs.replace(
            last,
            relays=tuple(RelayEntry(r.name, r.endpoint, r.owner, r.country) for r in relays),
            services=tuple(catalogue.service(name) for name in services),
            allow=tuple(allowed),
        )
        if new == last and last.expires > until:
            return
        new = msgspec.structs.replace(
            new, version=last.version + 1, issued=now, expires=now + directories.LIFETIME_S
        )
        document = directories.write(new, self._signing_key)
        connection.execute(directory_row.insert().values(version=new.version, document=document))
        # Old versions are of no use: a student who has one asks for a newer.
        connection.execute(directory_row.delete().where(directory_row.c.version < new.version))

    @contextmanager
    def _asking(self) -> Iterator[sa.Connection]:
        with translated(self.path), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _changing(self) -> Iterator[sa.Connection]:
        with translated(self.path), self._engine.begin() as connection:
            # Takes the write lock before reading, so that two commands cannot both see the old state.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
