"""SPIFFE identities of workloads. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

SCHEME = "spiffe://"
TRUST_DOMAIN = "cluster.local"
"""Istio's default; a lab has no other."""


class Identity(NamedTuple):
    """A workload's identity: the service account it runs as."""

    trust_domain: str
    namespace: str
    service_account: str

    def __str__(self) -> str:
        return f"{SCHEME}{self.principal}"

    @property
    def principal(self) -> str:
        """Return it as authorization policies write it, without the scheme."""
        domain = self.trust_domain.replace("@", ".")
        return f"{domain}/ns/{self.namespace}/sa/{self.service_account}"


def spiffe_id(trust_domain: str, namespace: str, service_account: str) -> str:
    """Return `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`."""
    return str(Identity(trust_domain, namespace, service_account))


def parse(spiffe: str) -> Identity:
    """Read an identity back. Raises ValueError if it is not of Istio's form."""
    domain, _, path = spiffe.removeprefix(SCHEME).partition("/")
    parts = path.split("/")
    shaped = len(parts) == 4 and parts[0] == "ns" and parts[2] == "sa" and all(parts)
    if not spiffe.startswith(SCHEME) or not domain or not shaped:
        raise ValueError(
            f"{spiffe!r} is not an Istio identity: spiffe://<trust domain>/ns/<ns>/sa/<account>"
        )
    return Identity(domain, parts[1], parts[3])


def with_aliases(spiffe: str, trust_domain: str, aliases: Iterable[str]) -> tuple[str, ...]:
    """Return an identity of the trust domain under its aliases too, sorted; one of another
    domain stays alone."""
    prefix = f"{SCHEME}{trust_domain.replace('@', '.')}/"
    if not spiffe.startswith(prefix):
        return (spiffe,)
    path = spiffe[len(prefix) :]
    return tuple(sorted({spiffe, *(f"{SCHEME}{alias}/{path}" for alias in aliases)}))
