"""The class services this package knows, each from a dated file of facts in `services/`.

What vendors list but every site shares (sign-in pages, certificate responders, content
networks) is in the files as `left_out` with the reason, and never enters a directory.
"""

from datetime import date
from functools import cache
from importlib.resources import files

import msgspec

from carnet.errors import MisuseError, UnknownNameError
from carnet.tunnel.service import Service

NAMES = ("meet", "teams", "webex", "zoom")


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry of the vendor's list that stays outside the tunnel, and why."""

    why: str
    range: str = ""
    domain: str = ""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One data file."""

    name: str
    title: str
    dated: date
    source: tuple[str, ...]
    ranges: tuple[str, ...]
    ports: tuple[str, ...]
    domains: tuple[str, ...]
    left_out: tuple[LeftOut, ...] = ()


@cache
def entry(name: str) -> Entry:
    """Return the whole data file of a service.

    Raises:
        UnknownNameError: no such service.
    """
    if name not in NAMES:
        raise UnknownNameError(f"no service {name!r}; there are {', '.join(NAMES)}")
    raw = files("carnet.tunnel").joinpath("services", f"{name}.toml").read_bytes()
    try:
        return msgspec.toml.decode(raw, type=Entry)
    except msgspec.DecodeError as error:
        raise MisuseError(f"services/{name}.toml: {error}") from error


def service(name: str) -> Service:
    """Return what a directory says about a service.  Raises UnknownNameError."""
    facts = entry(name)
    return Service(name=facts.name, ranges=facts.ranges, ports=facts.ports, domains=facts.domains)
