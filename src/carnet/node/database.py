"""The SQLite file: how it is opened, and what its errors mean to the operator."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import sqlalchemy as sa

from carnet.errors import DiskFullError, StoreError
from carnet.node import disk

DATABASE = "campus.sqlite3"
SIGNING_KEY = "signing.key"
GATEWAY_KEY = "gateway.key"
BUSY_TIMEOUT_S = 10


def connect(path: Path) -> sa.Engine:
    """Return an engine on one SQLite file, with one connection kept (data_version is per connection)."""
    engine = sa.create_engine(
        f"sqlite:///{path}",
        poolclass=sa.pool.SingletonThreadPool,
        connect_args={"timeout": BUSY_TIMEOUT_S},
    )

    @sa.event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    return engine


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what SQLite says into what the operator can act on."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        _raise_store_error(error.orig, path)
    except sqlite3.Error as error:
        _raise_store_error(error, path)


def _raise_store_error(error: BaseException | None, path: Path) -> NoReturn:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL or disk.is_full(path):
        raise DiskFullError(f"{path}: the disk is full; nothing was changed") from error
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        raise StoreError(f"{path}: another command holds the campus; try again") from error
    raise StoreError(f"{path}: {error}") from error
