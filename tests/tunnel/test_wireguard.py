"""The stock configuration."""

import subprocess
from pathlib import Path

import pytest
from msgspec.structs import replace

from carnet.errors import UnknownNameError
from carnet.seal.keys import key_text
from carnet.tunnel import passes, wireguard
from tests.tunnel.samples import DIRECTORY, NOW, STUDENT_KEY, pass_file

HOLDING = passes.read(pass_file(), NOW)


def lines(text: str) -> dict[str, str]:
    return dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)


def test_it_says_who_whither_and_what() -> None:
    found = lines(wireguard.configuration(HOLDING, DIRECTORY))
    assert found["PrivateKey"] == key_text(STUDENT_KEY)
    assert found["PublicKey"] == key_text(DIRECTORY.gateway_key)
    assert found["Endpoint"] == "vpn.example.edu:51820"
    assert found["Address"].startswith("10.78.0.2/32, fd")
    assert found["AllowedIPs"].split(", ") == list(DIRECTORY.networks())
    assert found["DNS"].split(", ")[:2] == ["10.78.0.1", "~zoom.com"]


def test_a_relay_is_an_endpoint() -> None:
    assert "Endpoint = [2001:db8::2]:443" in wireguard.configuration(HOLDING, DIRECTORY, "tokyo")
    with pytest.raises(UnknownNameError, match="hong-kong, tokyo"):
        wireguard.configuration(HOLDING, DIRECTORY, "paris")


def test_no_names_no_resolver() -> None:
    assert "DNS" not in wireguard.configuration(HOLDING, replace(DIRECTORY, services=()))


def test_wg_reads_it(tmp_path: Path) -> None:
    text = wireguard.configuration(HOLDING, replace(DIRECTORY, endpoint="192.0.2.1:51820"))
    stripped = [line for line in text.splitlines() if not line.startswith(("Address", "MTU", "DNS"))]
    (tmp_path / "wg.conf").write_text("\n".join(stripped) + "\n")
    # On an interface that is not there, wg parses first: only the interface may be at fault.
    said = subprocess.run(
        ["wg", "setconf", "cp-none", str(tmp_path / "wg.conf")], capture_output=True, text=True, check=False
    )
    assert "Unable to modify interface" in said.stderr
    (tmp_path / "bad.conf").write_text("\n".join(stripped).replace("Endpoint =", "Endpoint = x"))
    said = subprocess.run(
        ["wg", "setconf", "cp-none", str(tmp_path / "bad.conf")], capture_output=True, text=True, check=False
    )
    assert "Unable to modify interface" not in said.stderr
