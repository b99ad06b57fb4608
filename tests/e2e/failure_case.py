"""One failure class and what brings it about."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

OLD, NEW = "1.17", "1.32"


@dataclass(frozen=True)
class Case:
    """`failed` is the name of the leg that must be marked; `proof` words that must be in the
    reasons given there. `logs` are status, flags and details that the two proxies between the pods
    must log, `peer` whom the server's proxy must know the client to be. `busy` is a URL that is
    being asked for meanwhile. `remedies` is how many changes must be offered at least, each of
    which brings about `wished`; `untried` that they are hints, since nobody can foretell it.
    `foretold`: whether `explain` tells it, too. `mesh` is the folder of the lab. `old` is what is
    otherwise on Istio 1.17; None if nothing is."""

    title: str
    code: str
    url: str
    policies: str = ""
    arguments: tuple[str, ...] = ()
    failed: str = ""
    proof: str = ""
    logs: tuple[str, ...] = ()
    peer: str = ""
    busy: str = ""
    remedies: int = 0
    untried: bool = False
    wished: str = "ok"
    foretold: bool = True
    mesh: str = "failures"
    old: Mapping[str, str] | None = None

    def on(self, version: str) -> "Case":
        """Return the case as it is on a version."""
        return replace(self, **self.old) if version == OLD and self.old else self

    @property
    def authorizes(self) -> bool:
        """Whether the case is about an AuthorizationPolicy."""
        return "AuthorizationPolicy" in self.policies


FROM_CLIENT = ("--from", "deploy/client")
FROM_NAKED = ("--from", "deploy/naked")
SHOP = ("-H", "Host: shop.example")
GATE = "http://istio-ingressgateway"
NO_RULE = "rbac_access_denied_matched_policy[none]"
SIDECARS, EDGE = "sidecar -> sidecar", "gateway -> gateway"
