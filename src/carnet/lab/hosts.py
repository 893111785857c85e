"""The hosts of a world as network namespaces, and everything it takes to leave no trace of them.

Each host has one interface, `net0`, a TUN whose other end goes to the link engine; a mount namespace of its
own per process, so that a node may edit /etc/resolv.conf and use /run as on a real machine.  Namespaces are
named after the process that owns them, and a lock held as long as it lives tells leftovers from neighbours.
"""

import ctypes
import fcntl
import ipaddress
import os
import re
import shutil
import struct
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from carnet.errors import NoRightsError, NoTunError, WorldError
from carnet.lab import userns
from carnet.lab.world import Host

INTERFACE: Final = "net0"
MTU_BYTES: Final = 1500

_PREFIX: Final = "carnet-lab-"
_NAMESPACES: Final = Path("/run/netns")
_LOCKS: Final = Path("/run/carnet-lab")
_CLONE_NEWNET: Final = 0x40000000
_TUNSETIFF: Final = 0x400454CA
_IFF_TUN: Final = 0x0001
_IFF_NO_PI: Final = 0x1000

# Binds a host's own files over the machine's, in a mount namespace that dies with the process.
_ENTER: Final = """
[ -f "$0/resolv.conf" ] && mount --bind "$0/resolv.conf" /etc/resolv.conf
export CARNET_STATE="$0/state"
mount --bind "$0/run" /run && exec "$@"
"""


class Hosts:
    """The namespaces of one world.  Use `opened`; then `add` each host, `command` to run things inside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names: list[str] = []

    def add(self, host: Host) -> int:
        """Make a host; return the file descriptor of its TUN, which is the caller's to close.

        Raises:
            NoTunError: /dev/net/tun is missing or refuses.
            WorldError: a namespace or an interface could not be made.
        """
        space = self.namespace(host.name)
        _run(["ip", "netns", "add", space])
        self._names.append(host.name)
        room = self.folder / host.name
        for name in ("run", "state"):
            (room / name).mkdir(parents=True)
        _private_resolver(room)
        descriptor = _open_tun(_NAMESPACES / space)
        addresses = [_address_line("add", address) for address in host.addresses]
        defaults = _default_lines(host.addresses)
        up = ["link set lo up", f"link set {INTERFACE} mtu {MTU_BYTES} up"]
        _run(["ip", "-n", space, "-batch", "-"], "\n".join(up + addresses + defaults) + "\n")
        return descriptor

    def readdress(self, name: str, addresses: Sequence[str]) -> None:
        """Give a host other addresses than it has."""
        # A flush takes the default routes along where they hang on an address: set them again.
        lines = [f"address flush dev {INTERFACE} scope global"]
        lines += [_address_line("add", address) for address in addresses]
        lines += _default_lines(addresses)
        _run(["ip", "-n", self.namespace(name), "-batch", "-"], "\n".join(lines) + "\n")

    def namespace(self, name: str) -> str:
        """Return the name of a host's network namespace."""
        return f"{_PREFIX}{os.getpid()}-{name}"

    def run_folder(self, name: str) -> Path:
        """Return what a host's processes see as /run."""
        return self.folder / name / "run"

    def command(self, name: str, *argv: str) -> list[str]:
        """Return the command line that runs `argv` on a host, and dies with this process."""
        space = ["nsenter", f"--net={_NAMESPACES / self.namespace(name)}"]
        enter = ["unshare", "--mount", "sh", "-c", _ENTER, str(self.folder / name)]
        return ["setpriv", "--pdeathsig", "KILL", *space, *enter, *argv]

    def run(self, name: str, *argv: str, text: str = "", timeout_s: float = 20.0) -> str:
        """Run a short command on a host to its end; return what it said.

        Raises:
            WorldError: it failed or took too long; the message is its own.
        """
        return _run(self.command(name, *argv), text, timeout_s)

    def close(self) -> None:
        """Remove every host with what still runs there."""
        while self._names:
            _remove(self.namespace(self._names.pop()))


@contextmanager
def opened() -> Iterator[Hosts]:
    """Give hosts in a folder of their own; remove them and the folder at the end, come what may.

    Raises:
        NoRightsError: this process may not make network namespaces.
    """
    check_rights()
    remove_leftovers()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
    with _lock(folder):
        hosts = Hosts(folder)
        try:
            yield hosts
        finally:
            hosts.close()
            shutil.rmtree(folder, ignore_errors=True)


def check_rights() -> None:
    """Refuse to start where no lab can be.

    Raises:
        NoRightsError: this process has the rights neither here nor in a user namespace.
        NoTunError: there is no /dev/net/tun.
        WorldError: a tool is not installed.
    """
    if userns.needed():
        raise NoRightsError("the lab needs root, or a user namespace in which it is root")
    if not Path("/dev/net/tun").exists():
        raise NoTunError("the lab needs /dev/net/tun: load the kernel's tun module")
    for tool in ("ip", "nsenter", "unshare", "setpriv"):
        if shutil.which(tool) is None:
            raise WorldError(f"the lab needs `{tool}`: install iproute2 and util-linux")


def remove_leftovers() -> None:
    """Remove the hosts and folders of labs that were killed before they could."""
    spaces = sorted(_NAMESPACES.glob(f"{_PREFIX}*")) if _NAMESPACES.is_dir() else []
    owners = {found[1] for space in spaces if (found := re.match(rf"{_PREFIX}(\d+)-", space.name))}
    owners |= {lock.stem for lock in _LOCKS.glob("*.lock")}
    for owner in owners - {str(os.getpid())}:
        lock = _LOCKS / f"{owner}.lock"
        if _is_held(lock):
            continue
        for space in spaces:
            if space.name.startswith(f"{_PREFIX}{owner}-"):
                _remove(space.name)
        _forget(lock)


def _forget(lock: Path) -> None:
    """Remove a dead lab's folder, whose path its lock file holds, and the lock."""
    try:
        folder = Path(lock.read_text("utf-8"))
    except FileNotFoundError:
        # Another lab was quicker.
        return
    if folder.name.startswith(_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)
    lock.unlink(missing_ok=True)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold this lab's lock; its file appears locked, so that no other lab ever sees it free."""
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    path = _LOCKS / f"{os.getpid()}.lock"
    with path.with_suffix(".new").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(str(folder))
        file.flush()
        path.with_suffix(".new").rename(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _remove(space: str) -> None:
    """Kill what runs in a namespace and remove it; it is ours by its name."""
    found = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False)
    for pid in found.stdout.split():
        try:
            os.kill(int(pid), 9)
        except ProcessLookupError:
            continue
    subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


def _address_line(verb: str, address: str) -> str:
    parsed = ipaddress.ip_address(address)
    suffix = " nodad" if parsed.version == 6 else ""
    return f"address {verb} {parsed}/{parsed.max_prefixlen} dev {INTERFACE}{suffix}"


def _default_lines(addresses: Sequence[str]) -> list[str]:
    versions = {ipaddress.ip_address(address).version for address in addresses}
    everything = {4: "0.0.0.0/0", 6: "::/0"}
    return [f"route replace {everything[version]} dev {INTERFACE}" for version in sorted(versions)]


def _private_resolver(room: Path) -> None:
    """Give a host a resolv.conf of its own, in place of the machine's or of what that points at."""
    real = Path(os.path.realpath("/etc/resolv.conf"))
    if not real.exists():
        return
    in_run = real.is_relative_to("/run")
    mine = room / real.relative_to("/") if in_run else room / "resolv.conf"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("nameserver 127.0.0.1\n", "utf-8")


def _open_tun(space: Path) -> int:
    """Return a TUN made inside a namespace, by a thread that goes there and does not come back."""
    result: list[int | OSError] = []

    def enter() -> None:
        try:
            result.append(_tun_here(space))
        except OSError as error:
            result.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if isinstance(result[0], OSError):
        raise NoTunError(f"/dev/net/tun refused an interface in {space.name}: {result[0]}")
    return result[0]


def _tun_here(space: Path) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    with space.open("rb") as file:
        if libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    request = struct.pack("16sH22x", INTERFACE.encode(), _IFF_TUN | _IFF_NO_PI)
    try:
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _run(argv: Sequence[str], text: str = "", timeout_s: float = 20.0) -> str:
    try:
        done = subprocess.run(
            argv, input=text, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WorldError(f"`{' '.join(argv[:3])}` took more than {timeout_s} s") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()
        wrong = NoRightsError if "not permitted" in said else WorldError
        raise wrong(f"`{' '.join(argv[-4:])}` failed: {said}")
    return done.stdout
