"""The stock WireGuard configuration of a pass (wg-quick(8) format).  Pure: values in, text out.

For machines that run no code of ours: one way only, chosen here, and no repair.
"""

from carnet.errors import UnknownNameError
from carnet.seal.keys import key_text
from carnet.tunnel.config import MTU_BYTES
from carnet.tunnel.directory import Directory
from carnet.tunnel.passes import Holding

KEEPALIVE_S = 25
"""Keeps the mapping in a home router open (wg-quick(8) suggests the same)."""


def configuration(holding: Holding, current: Directory, relay: str | None = None) -> str:
    """Return the text a stock client imports, holding the private key.

    Args:
        holding: The student's checked pass.
        current: The newest directory known; `holding.directory` if no newer.
        relay: Name of the relay to enter by; None goes to the campus directly.

    Raises:
        UnknownNameError: the directory has no relay of that name.
    """
    endpoint = current.endpoint
    if relay is not None:
        found = current.relay(relay)
        if found is None:
            names = ", ".join(entry.name for entry in current.relays) or "none"
            raise UnknownNameError(f"no relay {relay!r} in the directory; there are: {names}")
        endpoint = found.endpoint
    lines = [
        f"# {holding.signed.student} at {current.campus}, by {relay or 'the direct way'}",
        "[Interface]",
        f"PrivateKey = {key_text(holding.private_key)}",
        f"Address = {holding.address(current)}/32, {holding.address6()}/128",
        f"MTU = {MTU_BYTES}",
        *_resolver(current),
        "",
        "[Peer]",
        f"PublicKey = {key_text(current.gateway_key)}",
        f"Endpoint = {endpoint}",
        f"AllowedIPs = {', '.join(current.networks())}",
        f"PersistentKeepalive = {KEEPALIVE_S}",
        "",
    ]
    return "\n".join(lines)


def _resolver(current: Directory) -> list[str]:
    domains = current.names().domains()
    if not domains:
        return []
    # wg-quick gives entries that are no address to resolvconf as search domains; with systemd-resolved
    # `~` in front sends only those names there.  Other names would be refused, so nothing else is asked.
    return [f"DNS = {', '.join([current.gateway_address, *('~' + domain for domain in domains)])}"]
