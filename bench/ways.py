"""The tunnels that are compared, each from `NEAR` to `FAR` over the same wire.

A way is a context manager that yields the far end's address inside the tunnel.
"""

import base64
import datetime as dt
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from bench import ends
from bench.bed import FAR, FAR_ADDRESS, INTERPRETER, NEAR, call, inside, program

Way = Callable[[], AbstractContextManager[str]]


@contextmanager
def bare() -> Iterator[str]:
    """No tunnel: the wire itself."""
    yield FAR_ADDRESS


@contextmanager
def carnet() -> Iterator[str]:
    """Our data plane at both ends."""
    with (
        program(FAR, INTERPRETER, "-m", "bench.ends", "far", ready="ready"),
        program(NEAR, INTERPRETER, "-m", "bench.ends", "near", ready="ready"),
    ):
        _reach(ends.FAR_INSIDE)
        yield ends.FAR_INSIDE


@contextmanager
def wireguard_go() -> Iterator[str]:
    """The wireguard-go of the distribution at both ends, configured as wg-quick does."""
    with (
        tempfile.TemporaryDirectory() as folder,
        program(FAR, "wireguard-go", "-f", "wgbench"),
        program(NEAR, "wireguard-go", "-f", "wgbench0"),
    ):
        sides = (("far", FAR, "wgbench", "10.223.0.1"), ("near", NEAR, "wgbench0", "10.223.0.2"))
        for side, namespace, interface, address in sides:
            file = Path(folder) / side
            file.write_text(_wireguard(side), "ascii")
            _until(inside(namespace, "wg", "setconf", interface, str(file)))
            call("ip", "-n", namespace, "address", "add", f"{address}/24", "dev", interface)
            call("ip", "-n", namespace, "link", "set", interface, "mtu", "1420", "up")
        _reach("10.223.0.1")
        yield "10.223.0.1"


def _wireguard(side: str) -> str:
    other = "near" if side == "far" else "far"
    private = base64.b64encode(ends.KEYS[side]).decode()
    public = base64.b64encode(ends.public(other)).decode()
    lines = [f"[Interface]\nPrivateKey = {private}"]
    if side == "far":
        lines.append("ListenPort = 51830")
    lines.append(f"[Peer]\nPublicKey = {public}\nAllowedIPs = 10.223.0.0/24")
    if side == "near":
        lines.append(f"Endpoint = {FAR_ADDRESS}:51830")
    return "\n".join(lines) + "\n"


@contextmanager
def openvpn() -> Iterator[str]:
    """OpenVPN over UDP with its default data cipher, AES-256-GCM, and no compression."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        prints = {side: _certificate(folder, side) for side in ("far", "near")}
        inner = {"far": "10.224.0.1", "near": "10.224.0.2"}

        def words(side: str, other: str, *more: str) -> list[str]:
            files = ("--cert", str(folder / f"{side}.crt"), "--key", str(folder / f"{side}.key"))
            return [
                "openvpn", "--dev", "tun", "--proto", "udp", *files,
                "--peer-fingerprint", prints[other], "--ifconfig", inner[side], inner[other],
                "--cipher", "AES-256-GCM", "--verb", "3", *more,
            ]  # fmt: skip

        far = words("far", "near", "--tls-server", "--dh", "none", "--port", "1194")
        near = words("near", "far", "--tls-client", "--remote", FAR_ADDRESS, "1194", "--nobind")
        with program(FAR, *far), program(NEAR, *near, ready="Initialization Sequence Completed"):
            _reach(inner["far"])
            yield inner["far"]


def _certificate(folder: Path, side: str) -> str:
    """Write a self-signed certificate and its key; return its fingerprint as OpenVPN writes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, side)])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - day, now + day
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    (folder / f"{side}.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / f"{side}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    digest = hashlib.sha256(certificate.public_bytes(Encoding.DER)).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, 64, 2)).upper()


def _reach(address: str) -> None:
    """Wait until the far end answers."""
    _until(inside(NEAR, INTERPRETER, "-m", "bench.load", "knock", address))


def _until(words: list[str], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            call(*words)
        except SystemExit:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return
