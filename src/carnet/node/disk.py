"""Files written whole or not at all, and where this program keeps them.

Private files are 0600 from their first byte; a full disk is a `DiskFullError` and leaves
what was there before.
"""

import errno
import os
from pathlib import Path

from carnet.errors import (
    DiskFullError,
    MisuseError,
    NameTakenError,
    NoRightsError,
    StoreError,
    WorldError,
)

READ_BYTES_MOST = 1024 * 1024


def world_error(error: OSError, what: str) -> WorldError:
    """Return the error of ours that says what an OSError means for the operator."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(f"{what}: the disk is full; nothing was changed")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return NoRightsError(f"{what}: {error.strerror}: this user may not")
    return StoreError(f"{what}: {error.strerror or error}")


def read_file(path: Path) -> bytes:
    """Return a file the user named, up to 1 MiB.

    Raises:
        MisuseError: there is none, or it is larger.
        NoRightsError, StoreError: as named.
    """
    try:
        with path.open("rb") as file:
            content = file.read(READ_BYTES_MOST + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise MisuseError(f"{path} is no file") from error
    except OSError as error:
        raise world_error(error, str(path)) from error
    if len(content) > READ_BYTES_MOST:
        raise MisuseError(f"{path} is larger than 1 MiB: not one of ours")
    return content


def write_public(path: Path, content: bytes) -> None:
    """Replace a file by `content`, readable by everyone."""
    write_private(path, content)
    path.chmod(0o644)


def write_private(path: Path, content: bytes) -> None:
    """Replace a file by `content`, readable by its owner only, on disk when this returns."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        _write_new(scratch, content)
        scratch.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise world_error(error, str(path)) from error
    finally:
        scratch.unlink(missing_ok=True)


def write_private_new(path: Path, content: bytes) -> None:
    """Create a file that must not exist yet, readable by its owner only.

    Raises:
        NameTakenError: it exists; a key in it would be lost.
    """
    try:
        _write_new(path, content)
        sync_directory(path.parent)
    except FileExistsError as error:
        raise NameTakenError(f"{path} exists: name another file with --out") from error
    except OSError as error:
        path.unlink(missing_ok=True)
        raise world_error(error, str(path)) from error


def _write_new(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(path: Path) -> None:
    """Put the names in a directory on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def state_directory() -> Path:
    """Return where things outlive a reboot, made 0700: CARNET_STATE, else the system's or user's place."""
    named = os.environ.get("CARNET_STATE")
    if named:
        path = Path(named)
    elif os.geteuid() == 0:
        path = Path("/var/lib/carnet")
    else:
        path = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "carnet"
    return _made(path)


def runtime_directory() -> Path:
    """Return where sockets live, made 0700: CARNET_RUNTIME, else /run/carnet or the user's place."""
    named = os.environ.get("CARNET_RUNTIME")
    if named:
        path = Path(named)
    elif os.geteuid() == 0:
        path = Path("/run/carnet")
    else:
        path = Path(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}") / "carnet"
    return _made(path)


def _made(path: Path) -> Path:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise world_error(error, str(path)) from error
    return path


def network_namespace() -> int:
    """Return the inode of this process' network namespace: state of one is not another's."""
    return Path("/proc/self/ns/net").stat().st_ino


def is_full(path: Path) -> bool:
    """Return whether the file system of `path` has no room for one more page."""
    try:
        room = os.statvfs(path if path.exists() else path.parent)
    except OSError:
        return False
    return room.f_bavail * room.f_frsize < 64 * 1024
