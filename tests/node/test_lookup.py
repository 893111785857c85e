"""Hosts and their addresses."""

import asyncio

from carnet.node.lookup import find


def test_addresses_are_themselves_and_unknown_names_have_none() -> None:
    hosts = ["192.0.2.1", "2001:db8::1", "localhost", "no-such-host.invalid"]
    found = asyncio.run(find(hosts))
    assert found["192.0.2.1"] == ["192.0.2.1"]
    assert found["2001:db8::1"] == ["2001:db8::1"]
    assert set(found["localhost"]) <= {"127.0.0.1", "::1"}
    assert found["localhost"]
    assert found["no-such-host.invalid"] == []
