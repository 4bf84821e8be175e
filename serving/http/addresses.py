"""Who a request is from, where proxies stand before the endpoint."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, Self

Address = IPv4Address | IPv6Address

_REMEMBERED: Final = 4_096
#: Longer is no address.
_LENGTH_MAX: Final = 64
#: Of IPv6 one subscriber has at least so much, and may ask from any address in it.
_SUBSCRIBER_BITS: Final = 64


class Proxies:
    def __init__(self, trusted: tuple[str, ...]) -> None:
        self._networks = tuple(ip_network(each) for each in trusted)
        self._trusts = lru_cache(_REMEMBERED)(self._is_trusted)

    @classmethod
    def read(cls, setting: str) -> Self:
        return cls(tuple(filter(None, setting.split(","))))

    def client(self, peer: str, forwarded: str) -> str:
        """Who it is from: the socket's other end, or, where that is a proxy of ours, the nearest that is none.

        What stands further left in `forwarded` is whatever its sender liked to write.
        """
        if not self._networks or not forwarded:
            return peer
        nearest = peer
        for hop in [peer, *reversed(forwarded.split(","))]:
            address = _read(hop)
            if address is None:
                break
            nearest = str(address)
            if not self._trusts(address):
                break
        return nearest

    def _is_trusted(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def subscriber(address: str) -> str:
    """What its requests are counted by."""
    read = _read(address)
    if isinstance(read, IPv6Address):
        return str(ip_network((read, _SUBSCRIBER_BITS), strict=False))
    return str(read or address)


def _read(text: str) -> Address | None:
    """An address, with or without the port that some proxies put behind it."""
    host = text.strip()
    if len(host) > _LENGTH_MAX:
        return None
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ip_address(host)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
