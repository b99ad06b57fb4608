"""SPIFFE identities of workloads. Pure."""

from collections.abc import Iterable

from lateen.model import wellknown

SCHEME = "spiffe://"
TRUST_DOMAIN = wellknown.CLUSTER_DOMAIN
"""Istio's default; a lab has no other."""


def domain(trust_domain: str) -> str:
    """Return a trust domain as identities have it: `@` in it becomes a dot."""
    return trust_domain.replace("@", ".")


def spiffe_id(trust_domain: str, namespace: str, service_account: str) -> str:
    """Return `spiffe://<trust domain>/ns/<namespace>/sa/<service account>`."""
    return f"{SCHEME}{domain(trust_domain)}/ns/{namespace}/sa/{service_account}"


def with_aliases(spiffe: str, trust_domain: str, aliases: Iterable[str]) -> tuple[str, ...]:
    """Return an identity of the trust domain under its aliases too, sorted; one of another
    domain stays alone."""
    prefix = f"{SCHEME}{domain(trust_domain)}/"
    if not spiffe.startswith(prefix):
        return (spiffe,)
    path = spiffe[len(prefix) :]
    return tuple(sorted({spiffe, *(f"{SCHEME}{domain(alias)}/{path}" for alias in aliases)}))
