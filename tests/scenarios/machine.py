"""Everything of a machine that a node may change, so that before and after can be compared."""

from typing import Final

from tests.scenarios.scene import Scene

_LOOKS: Final = (
    "nft list ruleset",
    "ip -o -4 address",
    "ip -o -6 address show scope global",
    "ip -o -br link",
    "ip -4 route show table all",
    "ip -6 route show table all type unicast",
    "ip rule",
    "cat /proc/sys/net/ipv4/ip_forward",
    "cat /proc/sys/net/ipv6/conf/*/forwarding",
    "cat /proc/sys/net/ipv6/conf/*/accept_ra",
    "cat /etc/resolv.conf",
    "{ find /run/carnet -type s 2>/dev/null; true; }",
)
_MARK: Final = "=== next"


def look(scene: Scene, host: str) -> dict[str, str]:
    """Return what there is on a host's machine now, by the command that shows it."""
    script = "\n".join(f"echo '{_MARK}'; {words} || exit" for words in _LOOKS)
    done = scene.run(host, "sh", "-c", script)
    assert done.returncode == 0, done.stderr
    said = done.stdout.split(f"{_MARK}\n")[1:]
    return dict(zip(_LOOKS, said, strict=True)) | {"journals": _journals(scene, host)}


def _journals(scene: Scene, host: str) -> str:
    """Return the names of the notes a node keeps of what it has still to undo."""
    folders = [scene.state(host)] + ([scene.campus] if host == "campus" else [])
    return " ".join(sorted(path.name for folder in folders for path in folder.glob("undo*")))
