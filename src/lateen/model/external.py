"""Hosts outside the mesh that a lab has stand-ins or addresses for. Pure.

The settings name them; controllers make their pods, the lab's DNS answers for their names.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

NAMESPACE: Final = "lateen-external"
"""Where the pods are that stand in for them."""
HOSTS: Final = "lateen.dev/external-hosts"
"""The annotation by which such a pod says for which names it answers."""
ADDRESSES: Final = "lateen.dev/external-addresses"
"""The annotation of the namespace with the hosts that have an address: `HOST=ADDRESS,…`."""
IMAGE: Final = "lateen/external-tls"
"""The image of what ends TLS before such a pod's application."""
ROOT: Final = "external"
"""The name of the authority whose certificates they have, where trust is foretold."""


class ExternalHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host outside the mesh: what answers for it is an image, or has an address."""

    host: str
    """A DNS name; `*.` before it stands for every name below."""
    image: str = ""
    address: str = ""
    port: int = 0
    """Where the image serves HTTP; 0 leaves that to what is known of the image."""
    args: tuple[str, ...] = ()


def certificate_names(host: str) -> tuple[str, ...]:
    """Return the names of a host's certificate: of a wildcard the domain itself too."""
    return (host, host[2:]) if host.startswith("*.") else (host,)


def hosts_of(namespace: str, annotations: Mapping[str, str]) -> tuple[str, ...]:
    """Return the hosts that a pod answers for. Only the lab's own namespace has such pods: nobody
    else can take a name for itself."""
    if namespace != NAMESPACE:
        return ()
    return tuple(host for host in annotations.get(HOSTS, "").split(",") if host)


def addresses_in(annotations: Mapping[str, str]) -> dict[str, str]:
    """Return the address of each host that has one, from the namespace's annotations."""
    pairs = (each.partition("=") for each in annotations.get(ADDRESSES, "").split(",") if each)
    return {host: address for host, _, address in pairs}
