"""Text that names endpoints, networks and people."""

from ipaddress import IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.errors import MisuseError
from carnet.tunnel import addresses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1:51820", ("192.0.2.1", 51820)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("vpn.example.edu:1", ("vpn.example.edu", 1)),
        ("localhost:65535", ("localhost", 65535)),
    ],
)
def test_endpoints_read(text: str, expected: tuple[str, int]) -> None:
    assert addresses.endpoint(text) == expected
    assert addresses.endpoint_text(*expected) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "192.0.2.1",
        ":51820",
        "192.0.2.1:0",
        "192.0.2.1:65536",
        "192.0.2.1:051",
        "192.0.2.1:٣",
        "2001:db8::1:443",
        "[192.0.2.1]:443",
        "[fe80::1%eth0]:443",
        "300.0.2.1:443",
        "a b:443",
        "-a:443",
    ],
)
def test_no_endpoint(text: str) -> None:
    with pytest.raises(MisuseError):
        addresses.endpoint(text)


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_misuse(text: str) -> None:
    try:
        host, port = addresses.endpoint(text)
    except MisuseError:
        return
    assert addresses.endpoint(addresses.endpoint_text(host, port)) == (host, port)


@pytest.mark.parametrize("text", ["10.0.0.0/7", "0.0.0.0/0", "::/0", "2000::/3", "10.0.0.1/8", "x", ""])
def test_no_network_to_tunnel(text: str) -> None:
    with pytest.raises(MisuseError):
        addresses.network(text)


def test_a_network_has_one_spelling() -> None:
    assert addresses.canonical_network("203.0.113.0/24") == "203.0.113.0/24"
    for text in ("203.0.113.0/255.255.255.0", "203.0.113.7", "2001:DB8::/32", "2001:db8:0::/48"):
        with pytest.raises(MisuseError):
            addresses.canonical_network(text)


@pytest.mark.parametrize("text", ["8.8.0.0/16", "10.78.0.0/30", "fd00::/64"])
def test_the_tunnel_network_is_private_ipv4_with_room(text: str) -> None:
    with pytest.raises(MisuseError):
        addresses.tunnel_network(text)


@given(st.binary(min_size=32, max_size=32))
def test_each_campus_has_a_local_ipv6_network_of_its_own(key: bytes) -> None:
    network = addresses.campus_network6(key)
    assert network.prefixlen == 64
    assert network.subnet_of(IPv6Network("fd00::/8"))
    assert network != addresses.campus_network6(bytes([key[0] ^ 1]) + key[1:])


@pytest.mark.parametrize("text", ["", "-a", "a-", "A", "a" * 32, "a b", "a\n", "å"])
def test_no_name(text: str) -> None:
    with pytest.raises(MisuseError):
        addresses.name(text)


@pytest.mark.parametrize("text", ["", "../x", "a/b", "a\n", "a" * 64, ".a"])
def test_no_student(text: str) -> None:
    with pytest.raises(MisuseError):
        addresses.student_name(text)


def test_names_that_are_names() -> None:
    assert addresses.name("hong-kong-2") == "hong-kong-2"
    assert addresses.student_name("li.wei+1@example.edu") == "li.wei+1@example.edu"
    assert addresses.domain("*.zoom.us") == "*.zoom.us"


@pytest.mark.parametrize("text", ["com", "*.com", "*", "a..b", "Zoom.us", "zoom.us.", "*.*.zoom.us"])
def test_no_domain(text: str) -> None:
    with pytest.raises(MisuseError):
        addresses.domain(text)
