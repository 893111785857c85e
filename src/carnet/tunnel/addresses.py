"""Endpoints, networks and names as text, checked once and kept in one form.  Pure.

Refuses what would be ambiguous (an IPv6 address without brackets, a network with host
bits) and what no campus may ask a student to route: a large part of the Internet.
"""

import re
from hashlib import sha256
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from carnet.errors import MisuseError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Shortest prefixes that may be tunnelled: a class list is no open VPN.  The widest published
# ranges are Teams' 52.112.0.0/14 and Webex' 2402:2500::/34; 10.0.0.0/8 is a campus of its own.
LEAST_PREFIX4 = 8
LEAST_PREFIX6 = 24

_LABEL = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_NAME = re.compile(r"^[a-z0-9](?:[a-z0-9-]{0,29}[a-z0-9])?\Z")
_STUDENT = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,62}\Z")


def name(text: str) -> str:
    """Check the name of a campus, relay or service: 1-31 of a-z, 0-9, inner hyphens."""
    if not _NAME.match(text):
        raise MisuseError(f"{text!r} is no name: use 1 to 31 of a-z, 0-9 and inner hyphens")
    return text


def student_name(text: str) -> str:
    """Check the name of a student: 1-63 letters, digits and . _ @ + - (an e-mail address fits)."""
    if not _STUDENT.match(text):
        raise MisuseError(f"{text!r} is no student name: use 1 to 63 letters, digits and . _ @ + -")
    return text


def domain(text: str) -> str:
    """Check a domain in lower case; `*.` in front means every name below it."""
    labels = text.removeprefix("*.").split(".")
    if len(text) > 253 or len(labels) < 2 or not all(_LABEL.match(label) for label in labels):
        raise MisuseError(f"{text!r} is no domain of lower-case labels")
    return text


def endpoint(text: str) -> tuple[str, int]:
    """Split `HOST:PORT` or `[IPV6]:PORT` into host (without brackets) and port 1..65535."""
    host, colon, port_text = text.rpartition(":")
    if not colon or not port_text.isascii() or not port_text.isdigit() or len(port_text) > 5:
        raise MisuseError(f"{text!r} is no endpoint: write HOST:PORT or [IPV6]:PORT")
    port = int(port_text)
    if not 0 < port < 65536 or str(port) != port_text:
        raise MisuseError(f"{text!r}: the port must be 1 to 65535")
    return _host(host, text), port


def _host(host: str, text: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        inner = address(host[1:-1])
        if inner.version == 6:
            return str(inner)
    elif host and (host.replace(".", "").isdigit() or ":" in host):
        if ":" in host:
            raise MisuseError(f"{text!r}: put an IPv6 address in brackets")
        return str(address(host))
    elif len(host) <= 253 and all(_LABEL.match(label) for label in host.lower().split(".")):
        return host
    raise MisuseError(f"{text!r}: {host!r} is neither an address nor a host name")


def endpoint_text(host: str, port: int) -> str:
    """Join host and port, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address(text: str) -> Address:
    """Read one address in its canonical form."""
    try:
        value = ip_address(text)
    except ValueError as error:
        raise MisuseError(f"{text!r} is no IP address") from error
    if "%" in text:
        raise MisuseError(f"{text!r}: an address with a zone works on one machine only")
    return value


def network(text: str) -> Network:
    """Read a network without host bits, canonical, and not so wide that it is an open VPN."""
    try:
        value = ip_network(text)
    except ValueError as error:
        raise MisuseError(f"{text!r} is no network: write ADDRESS/BITS with no host bits set") from error
    least = LEAST_PREFIX4 if value.version == 4 else LEAST_PREFIX6
    if value.prefixlen < least:
        raise MisuseError(f"{text}: wider than /{least}; only class services go through the tunnel")
    return value


def canonical_network(text: str) -> str:
    """Return the network's text, refusing any other spelling of it."""
    value = str(network(text))
    if value != text:
        raise MisuseError(f"{text!r} must be written {value}")
    return value


def tunnel_network(text: str) -> IPv4Network:
    """Read the network students get their addresses from: private IPv4, /8 to /29."""
    value = network(text)
    if not isinstance(value, IPv4Network) or not value.is_private or value.prefixlen > 29:
        raise MisuseError(f"{text}: the tunnel network is private IPv4, /8 to /29, like 10.78.0.0/16")
    return value


def campus_network6(verifying_key: bytes) -> IPv6Network:
    """Return the campus' own IPv6 network: fd, 40 bits of its key's hash, subnet 0 (RFC 4193 s3.2)."""
    digest = sha256(b"carnet/network6/v1\n" + verifying_key).digest()
    return IPv6Network((b"\xfd" + digest[:5] + bytes(10), 64))


def host_in(net: Network, index: int) -> Address:
    """Return the address number `index` of a network (the gateway is 1)."""
    return net[index]


def single(value: Address) -> str:
    """Write an address as the network that holds only it."""
    return f"{value}/{value.max_prefixlen}"
