"""How a new campus is laid out on disk: whole, or not at all."""

import os
import shutil
import tempfile
from pathlib import Path

import sqlalchemy as sa

from carnet.errors import CampusExistsError
from carnet.node import disk
from carnet.node.database import DATABASE, GATEWAY_KEY, SIGNING_KEY, connect, translated
from carnet.node.schema import SCHEMA_VERSION, allow, campus, directory_row, service, tables
from carnet.seal import keys
from carnet.tunnel import catalogue
from carnet.tunnel import directory as directories
from carnet.tunnel.directory import Directory


def found(
    path: Path,
    *,
    name: str,
    endpoint: str,
    network: str,
    services: list[str],
    allowed: list[str],
    now: int,
) -> Directory:
    """Make the keys and the first directory of a campus, and lay it out in `path`.

    Raises:
        MisuseError, UnknownNameError: a value out of its bounds.
        CampusExistsError, DiskFullError, NoRightsError, StoreError: as named.
    """
    signing_key, gateway_key = keys.new_signing_key(), keys.new_wireguard_key()
    first = Directory(
        campus=name,
        version=1,
        issued=now,
        expires=now + directories.LIFETIME_S,
        signing_key=keys.verifying_key(signing_key),
        gateway_key=keys.wireguard_public(gateway_key),
        endpoint=endpoint,
        network=network,
        relays=(),
        services=tuple(catalogue.service(entry) for entry in sorted(set(services))),
        allow=tuple(sorted(set(allowed))),
    )
    create(path, first, signing_key, gateway_key)
    return first


def create(path: Path, first: Directory, signing_key: bytes, gateway_key: bytes) -> None:
    """Lay out a new campus in directory `path`, whole or not at all.

    Raises:
        CampusExistsError: `path` is there and not an empty directory.
        DiskFullError, NoRightsError, StoreError: as named.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise CampusExistsError(f"{path} is there and not empty: name a new directory")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise disk.world_error(error, str(path)) from error
    try:
        disk.write_private(scratch / SIGNING_KEY, keys.key_text(signing_key).encode() + b"\n")
        disk.write_private(scratch / GATEWAY_KEY, keys.key_text(gateway_key).encode() + b"\n")
        with translated(path):
            _fill(scratch / DATABASE, first, signing_key)
        scratch.rename(path)
        disk.sync_directory(path.parent)
    except OSError as error:
        raise disk.world_error(error, str(path)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _fill(database: Path, first: Directory, signing_key: bytes) -> None:
    os.close(os.open(database, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    engine = connect(database)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            connection.exec_driver_sql(f"PRAGMA user_version={SCHEMA_VERSION}")
            tables.create_all(connection)
            _insert(connection, first, directories.write(first, signing_key))
    finally:
        engine.dispose()


def _insert(connection: sa.Connection, first: Directory, document: bytes) -> None:
    connection.execute(
        campus.insert().values(name=first.campus, endpoint=first.endpoint, network=first.network)
    )
    if first.services:
        connection.execute(service.insert(), [{"name": entry.name} for entry in first.services])
    if first.allow:
        connection.execute(allow.insert(), [{"network": text} for text in first.allow])
    connection.execute(directory_row.insert().values(version=first.version, document=document))
