"""What an operator with root can learn of a process: its memory, its rights, and what it did to files."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

_OPENS: Final = ("open", "openat", "openat2", "creat")
_RENAMES: Final = ("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat")
_MAKES: Final = ("mkdir", "mkdirat", "mknod", "mknodat", "memfd_create")
_CHANGES: Final = (*_RENAMES, *_MAKES, "truncate", "ftruncate", "unlink", "unlinkat")
TRACED: Final = ",".join(_OPENS + _CHANGES)
"""System calls that make, change or remove a file."""

_OPEN: Final = re.compile(r"\bcreat\(|\bopen(?:at2?)?\(.*\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
_CHANGE: Final = re.compile(rf"\b(?:{'|'.join(_CHANGES)})\(")
_DEVICE: Final = re.compile(r'"/dev/(?:null|urandom|random|tty)"')


def strace(output: Path) -> list[str]:
    """Return the command prefix that notes every change of a file by a program and all its threads.

    The program stays the one that was started (-D): signals reach it, and its process id is its own.
    """
    return ["strace", "-D", "-f", "-qq", "-e", f"trace={TRACED}", "-e", "signal=none", "-o", str(output)]


def changes(trace: str) -> list[str]:
    """Return the lines of an strace that made, opened for writing, changed or removed a file."""
    lines = [line for line in trace.splitlines() if _OPEN.search(line) or _CHANGE.search(line)]
    return [line for line in lines if not _DEVICE.search(line)]


def memory(pid: int) -> bytes:
    """Return everything a process can read of itself, as far as the kernel lets root read it."""
    found = bytearray()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            span, rights = line.split()[:2]
            start, end = (int(edge, 16) for edge in span.split("-"))
            if "r" not in rights or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            file.seek(start)
            found += _up_to(file.read, end - start) + b"\0" * 64
    return bytes(found)


def _up_to(read: Callable[[int], bytes], length: int) -> bytes:
    parts: list[bytes] = []
    while length > 0:
        try:
            part = read(min(length, 1 << 22))
        except OSError:
            # Pages of a mapped file past its end.
            break
        if not part:
            break
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def threads(pid: int) -> list[dict[str, str]]:
    """Return the fields of /proc/PID/task/TID/status of each thread."""
    statuses = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    return [dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line) for text in statuses]


def written_files(pid: int) -> list[str]:
    """Return the regular files a process holds open for writing."""
    found = []
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        info = dict(
            line.split(":\t", 1)
            for line in Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text().splitlines()
            if ":\t" in line
        )
        if int(info["flags"], 8) & 3 and entry.stat().st_mode & 0o170000 == 0o100000:
            found.append(str(entry.readlink()))
    return found


def present(secrets: Iterable[bytes], haystack: bytes) -> set[bytes]:
    """Return which of these octets are somewhere in there."""
    return {secret for secret in secrets if secret in haystack}
