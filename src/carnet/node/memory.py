"""What a student's machine remembers of a campus: the newest directory it saw, by the campus' key.

Remembering the version is what refuses a rollback; the document saves asking again.
"""

from hashlib import sha256
from pathlib import Path

import structlog

from carnet.errors import PeerError, RolledBackError
from carnet.node import disk
from carnet.tunnel import directory as directories
from carnet.tunnel.directory import Directory

log = structlog.get_logger()


class Memory:
    """The newest directory seen of one campus."""

    def __init__(self, signing_key: bytes) -> None:
        self._signing_key = signing_key
        digest = sha256(signing_key).hexdigest()[:32]
        self._path = disk.state_directory() / f"directory-{digest}"
        self._newest: Directory | None = None

    @property
    def path(self) -> Path:
        """Return the file."""
        return self._path

    def newest(self, offered: bytes, now: float) -> Directory:
        """Return the newer of the directory offered and the one remembered, and remember it.

        Raises:
            PeerError: neither is right; the offered one's reason.
        """
        remembered = self._remembered(now)
        try:
            directory = directories.read(offered, now, signing_key=self._signing_key)
        except PeerError:
            if remembered is None:
                raise
            return self._hold(remembered)
        if remembered is not None and remembered.version > directory.version:
            return self._hold(remembered)
        if remembered is None or directory.version > remembered.version:
            disk.write_private(self._path, offered)
        return self._hold(directory)

    def accept(self, offered: bytes, now: float) -> Directory:
        """Return a directory the campus sent, and remember it.

        Raises:
            RolledBackError: it is older than one seen before.
            PeerError: it is not right.
        """
        seen = self._newest.version if self._newest is not None else 0
        directory = directories.read(offered, now, signing_key=self._signing_key, seen_version=seen)
        if self._newest is not None and directory.version == seen and directory != self._newest:
            raise RolledBackError(f"two directories of version {seen}: refused")
        disk.write_private(self._path, offered)
        return self._hold(directory)

    def _hold(self, directory: Directory) -> Directory:
        self._newest = directory
        return directory

    def _remembered(self, now: float) -> Directory | None:
        if not self._path.exists():
            return None
        try:
            return directories.read(disk.read_file(self._path), now, signing_key=self._signing_key)
        except PeerError as error:
            log.info("memory-unusable", reason=error.code)
            return None
