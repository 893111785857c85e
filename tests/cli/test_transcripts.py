"""What an operator types and sees, command by command."""

import json
import time
from pathlib import Path

import pytest

from carnet.node.store import Store
from carnet.seal.keys import key_text
from carnet.tunnel import directory as directories
from carnet.tunnel import passes
from carnet.tunnel.directory import DAY_S
from tests.cli.transcript import Terminal
from tests.tunnel.samples import NOW, pass_file

FOUND = ("campus", "init", "home", "--name", "alpine", "--endpoint", "192.0.2.1:51820")


def test_a_campus_from_nothing(terminal: Terminal, tmp_path: Path) -> None:
    said = terminal(*FOUND, "--service", "zoom", "--service", "meet", "--allow", "203.0.113.0/24")
    assert (said.status, said.err) == (0, "")
    assert said.out == "campus alpine in home; next: carnet pass issue home STUDENT, carnet campus run home\n"

    said = terminal(
        "campus", "add-relay", "home", "tokyo", "198.51.100.1:443", "--owner", "X", "--country", "JP"
    )
    assert said.out == "relay tokyo added; directory version 2\n"
    said = terminal("campus", "add-relay", "home", "tokyo", "198.51.100.1:443")
    assert (said.status, said.err) == (
        2,
        "name-taken: there is a relay 'tokyo' at 198.51.100.1:443: remove it first\n",
    )
    said = terminal("pass", "issue", "home", "li.wei")
    assert said.out == "pass of li.wei in li.wei.pass; keep it secret, it holds the key\n"
    assert (tmp_path / "li.wei.pass").stat().st_mode & 0o777 == 0o600
    said = terminal("campus", "remove-relay", "home", "tokyo")
    assert said.out == "relay tokyo removed; directory version 3\n"
    said = terminal("campus", "remove-relay", "home", "tokyo")
    assert (said.status, said.err) == (2, "unknown-name: no relay 'tokyo' in this campus\n")

    said = terminal("campus", "directory", "home")
    directory = directories.read(said.out.encode(), time.time())
    assert (directory.version, [s.name for s in directory.services]) == (3, ["meet", "zoom"])
    assert terminal("campus", "directory", "home", "--out", "d").out == "directory version 3 in d\n"
    assert (tmp_path / "d").read_bytes() == said.out.encode()

    said = terminal("pass", "list", "home")
    assert "li.wei" in said.out
    assert "valid" in said.out
    assert terminal("pass", "revoke", "home", "li.wei").out == "pass of li.wei revoked\n"
    said = terminal("pass", "list", "home", "--json")
    (row,) = json.loads(said.out)
    assert (row["student"], row["address"], row["state"]) == ("li.wei", "10.78.0.2", "revoked")
    said = terminal("pass", "revoke", "home", "li.wei")
    assert (said.status, said.err) == (2, "unknown-name: 'li.wei' has no pass to revoke\n")


def test_a_pass_file_is_never_written_over_and_then_nobody_has_a_pass(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal(*FOUND)
    (tmp_path / "taken").write_text("mine")
    said = terminal("pass", "issue", "home", "li", "--out", "taken")
    assert (said.status, said.err) == (2, "name-taken: taken exists: name another file with --out\n")
    assert (tmp_path / "taken").read_text() == "mine"
    with Store(tmp_path / "home") as store:
        assert store.students() == []


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ("campus", "run", "nowhere"),
            "not-a-campus: nowhere holds no campus: make one with `carnet campus init`\n",
        ),
        (
            ("pass", "list", "nowhere"),
            "not-a-campus: nowhere holds no campus: make one with `carnet campus init`\n",
        ),
        (("join", "nowhere"), "misuse: nowhere is no file\n"),
        (("relay", "run", "--directory", "nowhere"), "misuse: nowhere is no file\n"),
        (("status",), "not-running: no join runs: start one with `carnet join FILE`\n"),
        (
            ("campus", "init", "x", "--name", "a", "--endpoint", "here"),
            "misuse: 'here' is no endpoint: write HOST:PORT or [IPV6]:PORT\n",
        ),
        (
            ("campus", "init", "x", "--name", "a", "--endpoint", "a:1", "--service", "phone"),
            "unknown-name: no service 'phone'; there are meet, teams, webex, zoom\n",
        ),
        (
            ("campus", "init", "x", "--name", "a", "--endpoint", "a:1", "--allow", "0.0.0.0/0"),
            "misuse: 0.0.0.0/0: wider than /8; only class services go through the tunnel\n",
        ),
    ],
)
def test_the_callers_faults(terminal: Terminal, arguments: tuple[str, ...], line: str) -> None:
    said = terminal(*arguments)
    assert (said.status, said.out, said.err) == (2, "", line)


def damaged(now: int) -> dict[str, tuple[bytes, str]]:
    good = pass_file(issued=now - DAY_S, expires=now + DAY_S)
    return {
        "cut short": (good[:-20], "malformed-document"),
        "edited": (good.replace(b"li.wei", b"li.wej", 1), "bad-signature"),
        "expired": (pass_file(issued=now - 2 * DAY_S, expires=now - DAY_S), "expired"),
        "empty": (b"", "malformed-document"),
    }


@pytest.mark.parametrize("how", ["cut short", "edited", "expired", "empty"])
@pytest.mark.parametrize("command", [("join",), ("pass", "wireguard")])
def test_a_pass_that_is_not_right(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, command: tuple[str, ...]
) -> None:
    monkeypatch.setattr(time, "time", lambda: float(NOW))
    content, code = damaged(NOW)[how]
    (tmp_path / "bad.pass").write_bytes(content)
    said = terminal(*command, "bad.pass")
    assert (said.status, said.out) == (3, "")
    assert said.err.startswith(f"{code}: ")
    assert said.err.count("\n") == 1


def test_a_stock_configuration_and_its_code(terminal: Terminal, tmp_path: Path) -> None:
    terminal(*FOUND, "--service", "zoom")
    terminal("pass", "issue", "home", "li")
    holding = passes.read((tmp_path / "li.pass").read_bytes(), time.time())
    said = terminal("pass", "wireguard", "li.pass")
    assert f"PrivateKey = {key_text(holding.private_key)}" in said.out
    assert "Endpoint = 192.0.2.1:51820" in said.out
    said = terminal("pass", "wireguard", "li.pass", "--relay", "tokyo")
    assert (said.status, said.err) == (
        2,
        "unknown-name: no relay 'tokyo' in the directory; there are: none\n",
    )

    # A relay that came later is in the newer directory.
    terminal("campus", "add-relay", "home", "tokyo", "198.51.100.1:443")
    terminal("campus", "directory", "home", "--out", "d")
    said = terminal("pass", "wireguard", "li.pass", "--relay", "tokyo", "--directory", "d")
    assert "Endpoint = 198.51.100.1:443" in said.out
    said = terminal("pass", "wireguard", "li.pass", "--qr")
    assert said.status == 0
    assert "█" in said.out
    assert key_text(holding.private_key) not in said.out


def test_what_no_code_can_hold_is_said(terminal: Terminal) -> None:
    networks = [word for n in range(200) for word in ("--allow", f"172.16.{n}.0/24")]
    terminal(*FOUND, *networks)
    terminal("pass", "issue", "home", "li")
    said = terminal("pass", "wireguard", "li.pass", "--qr")
    assert said.status == 2
    assert "fit no QR code" in said.err
