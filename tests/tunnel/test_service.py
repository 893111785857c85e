"""Class services: ports, names, and the data files that ship."""

from datetime import date
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carnet.errors import MisuseError, UnknownNameError
from carnet.tunnel import catalogue
from carnet.tunnel.service import NameList, Ports, Service


@given(st.sampled_from(["tcp", "udp"]), st.integers(1, 65535), st.integers(1, 65535))
def test_ports_read(protocol: str, low: int, high: int) -> None:
    assert Ports.parse(f"{protocol}/{low}") == Ports(protocol, low, low)
    if low < high:
        assert Ports.parse(f"{protocol}/{low}-{high}") == Ports(protocol, low, high)


@pytest.mark.parametrize(
    "text",
    ["", "udp", "udp/", "udp/0", "udp/65536", "icmp/1", "udp/2-1", "udp/1-1", "udp/1-", "udp/01", "udp/٣"],
)
def test_no_ports(text: str) -> None:
    with pytest.raises(MisuseError):
        Ports.parse(text)


ZOOM = Service("zoom", (), (), ("*.zoom.us", "zoom.us", "*.zoom.com"))


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("zoom.us", "zoom"),
        ("ZOOM.US.", "zoom"),
        ("a.b.zoom.us", "zoom"),
        ("zoom.com", None),
        ("x.zoom.com", "zoom"),
        ("notzoom.us", None),
        ("us", None),
        (".", None),
        ("zoom.us.example.com", None),
    ],
)
def test_a_star_stands_for_every_name_below(name: str, service: str | None) -> None:
    assert NameList([ZOOM]).service_of(name) == service


labels = st.from_regex(r"\A[a-z]{1,3}\Z")


@given(st.lists(labels, min_size=1, max_size=4).map(".".join))
def test_name_lookup_is_the_plain_definition(name: str) -> None:
    domains = ("*.a.b", "a.b", "*.c.a.b", "b.c")
    plain = any(
        name == domain or (domain.startswith("*.") and name.endswith(domain[1:]) and name != domain[2:])
        for domain in domains
    )
    assert (NameList([Service("x", (), (), domains)]).service_of(name) == "x") == plain


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_a_data_file_is_dated_sourced_and_sound(name: str) -> None:
    facts = catalogue.entry(name)
    assert facts.name == name
    assert facts.dated >= date(2026, 1, 1)
    assert facts.source
    assert facts.ranges
    assert facts.ports
    assert catalogue.service(name).domains == facts.domains
    assert all(entry.why and bool(entry.range) != bool(entry.domain) for entry in facts.left_out)


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_what_every_site_shares_stays_outside(name: str) -> None:
    names = catalogue.service(name)
    listed = NameList([names])
    for shared in ("accounts.google.com", "aka.ms", "r3.o.lencr.org", "ocsp.digicert.com", "www.gstatic.com"):
        assert listed.service_of(shared) is None
    for entry in catalogue.entry(name).left_out:
        assert listed.service_of(entry.domain.replace("*", "www") or "none.example") is None
        assert entry.range not in names.ranges


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_no_service_asks_for_a_large_part_of_the_internet(name: str) -> None:
    addresses = sum(
        ip_network(text).num_addresses for text in catalogue.service(name).ranges if ":" not in text
    )
    assert addresses < 2**32 / 1000


def test_a_service_nobody_knows() -> None:
    with pytest.raises(UnknownNameError, match="zoom"):
        catalogue.entry("skypephone")
