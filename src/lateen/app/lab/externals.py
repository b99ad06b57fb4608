"""The hosts outside the mesh that lateen.yaml names under `external`, read and checked. Pure."""

import ipaddress
import re
from collections.abc import Mapping

import msgspec

from lateen.model import wellknown
from lateen.model.external import ExternalHost

_LABEL = r"(?!-)[a-z0-9-]{1,63}(?<!-)"
_HOST = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})+")
_LONGEST = 253


class ExternalFields(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one host under `external` may say, where a text is not enough."""

    image: str = ""
    address: str = ""
    port: int = 0
    args: list[str] = []


Written = Mapping[str, str | ExternalFields]


def hosts(written: Written) -> tuple[ExternalHost, ...]:
    """Return the hosts in their order. Raises ValueError with the host and a remedy."""
    found: dict[str, ExternalHost] = {}
    for name, given in written.items():
        host = name.lower().rstrip(".")
        if not _HOST.fullmatch(host) or len(host) > _LONGEST:
            raise ValueError(f"external {name!r}: use a name such as api.example.com or *.wiki.org")
        if host.endswith(f".{wellknown.CLUSTER_DOMAIN}"):
            raise ValueError(f"external {name!r}: {wellknown.CLUSTER_DOMAIN} is the cluster's own")
        if host in found:
            raise ValueError(f"external {name!r} is there twice")
        found[host] = _host(name, host, given)
    return tuple(found.values())


def _host(name: str, host: str, given: str | ExternalFields) -> ExternalHost:
    if isinstance(given, str):
        address = _is_address(given)
        given = ExternalFields(address=given) if address else ExternalFields(image=given)
    if bool(given.image) == bool(given.address):
        raise ValueError(f"external {name!r}: use an image, or an address")
    if given.address and not _is_address(given.address):
        raise ValueError(f"external {name!r}: {given.address!r} is no IPv4 address")
    if not 0 <= given.port < 1 << 16:
        raise ValueError(f"external {name!r}: port {given.port}: use 1 to 65535")
    return ExternalHost(
        host=host,
        image=given.image,
        address=given.address,
        port=given.port,
        args=tuple(given.args),
    )


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True
