"""The gateway's rules: what students may reach, in an nftables table of our own.

Rendering is pure (values in, nftables JSON out, libnftables-json(5)); `Gateway` applies it.
Default is refusal: from the tunnel only class services pass, towards it only answers, and
of this machine itself students reach the resolver, the directory and ping.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from carnet.errors import MisuseError
from carnet.node.undo import Journal, run_tool
from carnet.tunnel import addresses
from carnet.tunnel.config import DIRECTORY_PORT, RESOLVER_PORT
from carnet.tunnel.directory import Directory
from carnet.tunnel.service import Ports, Service

Json = dict[str, Any]

FAMILY = "inet"
PRIORITY = -10
"""Before the usual filter chains (priority 0): what we drop, nobody lets through."""
NAMES_MOST = 65_536
ADMITTED_LEAST_S = 3600
"""Programs keep using an address after its record ran out; an hour covers a class."""
FAMILIES = ((4, "ip", "ipv4_addr"), (6, "ip6", "ipv6_addr"))


def table_name(campus: str) -> str:
    """Return the name of a campus' table."""
    return "carnet_" + addresses.name(campus).replace("-", "_")


def interface_name(campus: str) -> str:
    """Return the name of a campus' interface: at most 15 characters."""
    return f"cn-{addresses.name(campus)[:12]}"


def set_name(service: str, what: str, version: int) -> str:
    """Return the name of a set: of the `ranges` or the `names` of a service."""
    return f"{service.replace('-', '_')}_{what}{version}"


@dataclass(frozen=True, slots=True)
class Admitted:
    """An address a class name resolved to, until a time on the caller's clock."""

    service: str
    address: str
    until: float


def render(directory: Directory, interface: str, admitted: Iterable[tuple[Admitted, int]] = ()) -> Json:
    """Return the whole table as one transaction that replaces any earlier one.

    Args:
        directory: What the campus offers.
        interface: The tunnel's interface.
        admitted: Addresses to keep, each with the seconds it has left.
    """
    table = table_name(directory.campus)
    commands: list[Json] = [
        {"add": {"table": {"family": FAMILY, "name": table}}},
        {"delete": {"table": {"family": FAMILY, "name": table}}},
        {"add": {"table": {"family": FAMILY, "name": table}}},
    ]
    commands += _sets(table, directory)
    commands += _chains(table)
    commands += _rules(table, "input", _input_rules(directory, interface))
    commands += _rules(table, "forward", _forward_rules(directory, interface))
    commands += _rules(table, "postrouting", _masquerade_rules(directory, interface))
    for entry, left_s in admitted:
        commands.append(_element(table, entry, left_s))
    return {"nftables": commands}


def _sets(table: str, directory: Directory) -> list[Json]:
    sets = [_ranges_set(table, "allow", directory.allow, version) for version in (4, 6)]
    for service in directory.services:
        for version, _, kind in FAMILIES:
            sets.append(
                _ranges_set(table, set_name(service.name, "ranges", version), service.ranges, version)
            )
            sets.append(
                _set(
                    table, set_name(service.name, "names", version), kind, flags=["timeout"], size=NAMES_MOST
                )
            )
    return sets


def _ranges_set(table: str, name: str, networks: Sequence[str], version: int) -> Json:
    kind = "ipv4_addr" if version == 4 else "ipv6_addr"
    mine = [net for net in map(ip_network, networks) if net.version == version]
    more: Json = {"flags": ["interval"], "auto-merge": True}
    if mine:
        more["elem"] = [{"prefix": {"addr": str(net.network_address), "len": net.prefixlen}} for net in mine]
    return _set(table, name if name != "allow" else f"allow{version}", kind, **more)


def _set(table: str, name: str, kind: str, **more: Any) -> Json:  # noqa: ANN401  JSON values
    return {"add": {"set": {"family": FAMILY, "table": table, "name": name, "type": kind, **more}}}


def _chains(table: str) -> list[Json]:
    shapes = (
        ("input", "filter", PRIORITY),
        ("forward", "filter", PRIORITY),
        ("postrouting", "nat", 100),
    )
    return [
        {
            "add": {
                "chain": {
                    "family": FAMILY,
                    "table": table,
                    "name": hook,
                    "type": kind,
                    "hook": hook,
                    "prio": priority,
                    "policy": "accept",
                }
            }
        }
        for hook, kind, priority in shapes
    ]


def _rules(table: str, chain: str, rules: Iterable[list[Json]]) -> list[Json]:
    return [
        {"add": {"rule": {"family": FAMILY, "table": table, "chain": chain, "expr": expression}}}
        for expression in rules
    ]


def _input_rules(directory: Directory, interface: str) -> list[list[Json]]:
    """What students reach of this machine itself."""
    from_tunnel = _is(_meta("iifname"), interface)
    gateway4 = _is(_field("ip", "daddr"), directory.gateway_address)
    gateway6 = _is(_field("ip6", "daddr"), directory.gateway_address6)
    return [
        [_is(_meta("iifname"), interface, "!="), ACCEPT],
        [from_tunnel, ESTABLISHED, ACCEPT],
        [from_tunnel, gateway4, _is(_field("udp", "dport"), RESOLVER_PORT), ACCEPT],
        [
            from_tunnel,
            gateway4,
            _is(_field("tcp", "dport"), {"set": [RESOLVER_PORT, DIRECTORY_PORT]}),
            ACCEPT,
        ],
        [from_tunnel, gateway4, _is(_field("icmp", "type"), "echo-request"), ACCEPT],
        [from_tunnel, gateway6, _is(_field("icmpv6", "type"), "echo-request"), ACCEPT],
        [from_tunnel, DROP],
    ]


def _forward_rules(directory: Directory, interface: str) -> list[list[Json]]:
    """What students reach behind this machine, and what reaches them."""
    from_tunnel, to_tunnel = _is(_meta("iifname"), interface), _is(_meta("oifname"), interface)
    rules: list[list[Json]] = [
        [from_tunnel, to_tunnel, DROP],
        [from_tunnel, SYN, CLAMP],
        [to_tunnel, SYN, CLAMP],
        [to_tunnel, ESTABLISHED, ACCEPT],
        [to_tunnel, DROP],
        [from_tunnel, ESTABLISHED, ACCEPT],
    ]
    for version, protocol, _ in FAMILIES:
        rules.append([from_tunnel, _is(_field(protocol, "daddr"), f"@allow{version}"), ACCEPT])
        for service in directory.services:
            for what in ("ranges", "names"):
                to_set = _is(_field(protocol, "daddr"), "@" + set_name(service.name, what, version))
                rules += [[from_tunnel, to_set, ports, ACCEPT] for ports in _ports(service)]
    rules.append([from_tunnel, DROP])
    return rules


def _ports(service: Service) -> list[Json]:
    matches = []
    for protocol in ("tcp", "udp"):
        runs = [run for run in map(Ports.parse, service.ports) if run.protocol == protocol]
        if runs:
            values = [
                run.first if run.first == run.last else {"range": [run.first, run.last]} for run in runs
            ]
            matches.append(_is(_field(protocol, "dport"), {"set": values}))
    return matches


def _masquerade_rules(directory: Directory, interface: str) -> list[list[Json]]:
    """Students leave with this machine's own address."""
    elsewhere = _is(_meta("oifname"), interface, "!=")
    rules = []
    networks = (ip_network(directory.network), addresses.campus_network6(directory.signing_key))
    for network, (_, protocol, _) in zip(networks, FAMILIES, strict=True):
        source = {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}
        rules.append([_is(_field(protocol, "saddr"), source), elsewhere, {"masquerade": None}])
    return rules


def _is(left: Json, right: Any, operator: str = "==") -> Json:  # noqa: ANN401  JSON values
    return {"match": {"op": operator, "left": left, "right": right}}


def _meta(key: str) -> Json:
    return {"meta": {"key": key}}


def _field(protocol: str, field: str) -> Json:
    return {"payload": {"protocol": protocol, "field": field}}


ACCEPT: Json = {"accept": None}
DROP: Json = {"drop": None}
ESTABLISHED = _is({"ct": {"key": "state"}}, ["established", "related"], "in")
SYN = _is({"&": [_field("tcp", "flags"), ["syn", "rst"]]}, "syn")
# Segments that fit the way out: the tunnel is narrower than the network behind it.
CLAMP: Json = {
    "mangle": {
        "key": {"tcp option": {"name": "maxseg", "field": "size"}},
        "value": {"rt": {"key": "mtu"}},
    }
}


def _element(table: str, entry: Admitted, left_s: int, verb: str = "add") -> Json:
    version = ip_address(entry.address).version
    value: Any = {"elem": {"val": entry.address, "timeout": left_s}} if verb == "add" else entry.address
    name = set_name(entry.service, "names", version)
    return {verb: {"element": {"family": FAMILY, "table": table, "name": name, "elem": [value]}}}


def worth_admitting(address: str) -> bool:
    """Return whether a resolved address may be opened: public ones only.

    A vendor's name that points into a private network would open the campus' own hosts.
    """
    value = ip_address(address)
    return value.is_global and not value.is_multicast


class Gateway:
    """The table of one campus on this machine.  `apply` it, `admit` addresses; the journal ends it."""

    def __init__(self, interface: str, journal: Journal) -> None:
        self._interface = interface
        self._journal = journal
        self._table = ""
        self._admitted: dict[tuple[str, str], Admitted] = {}

    def apply(self, directory: Directory, now: float) -> None:
        """Put the rules of this directory in place of the last ones, in one transaction.

        Raises:
            GatewayError: nftables is missing, or refuses.
        """
        table = table_name(directory.campus)
        if self._table != table:
            self._journal.note(kind="table", family=FAMILY, name=table)
            self._table = table
        services = {service.name for service in directory.services}
        self._admitted = {
            key: entry for key, entry in self._admitted.items() if entry.until > now and key[0] in services
        }
        kept = [(entry, max(int(entry.until - now), 1)) for entry in self._admitted.values()]
        _apply(render(directory, self._interface, kept))

    def admit(self, service: str, found: Iterable[str], ttl_s: int, now: float) -> None:
        """Let students reach these addresses by the service's ports for at least an hour.

        Raises:
            GatewayError: nftables refuses.
            MisuseError: the rules are not applied yet.
        """
        if not self._table:
            raise MisuseError("apply the rules before admitting addresses")
        lasting_s = max(ttl_s, ADMITTED_LEAST_S)
        commands: list[Json] = []
        for address in found:
            key, known = (service, address), self._admitted.get((service, address))
            if not worth_admitting(address) or (known is not None and known.until - now > lasting_s / 2):
                continue
            entry = self._admitted[key] = Admitted(service, address, now + lasting_s)
            # An element that is there keeps its old time: replace it within the transaction.
            commands += [_element(self._table, entry, lasting_s, verb) for verb in ("add", "delete", "add")]
        if commands:
            _apply({"nftables": commands})


def _apply(ruleset: Json) -> None:
    run_tool(["nft", "-j", "-f", "-"], json.dumps(ruleset).encode())
