"""All advice of all causes in a few situations, beside `advice.yaml`."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lateen.causes import advice, catalogue
from lateen.causes.situation import (
    ClientTls,
    Correction,
    DeclaredPort,
    GatewayChoice,
    RouteDestination,
    ServerMode,
    Situation,
)
from lateen.model.meta import ObjectRef, Source

WRITTEN = Path(__file__).parent / "advice.yaml"


def at(kind: str, path: str, name: str = "web") -> Source:
    return Source(ObjectRef(kind, "ns", name), path)


TO = RouteDestination(
    host="web.ns.svc.cluster.local",
    port=80,
    subset="v1",
    ports=(DeclaredPort(80, "tls"), DeclaredPort(8080, "http")),
    subsets=("v2", "v3"),
    field=at("VirtualService", "spec.http[0].route[0].destination"),
    selector={"app": "web"},
    service=ObjectRef("Service", "ns", "web"),
)
FULL = Situation(
    client_role="sidecar",
    server_role="sidecar",
    client_tls=ClientTls("SIMPLE", at("DestinationRule", "spec.trafficPolicy.tls"), ("a",)),
    server_mode=ServerMode("STRICT", at("PeerAuthentication", "spec.mtls.mode"), selects=True),
    speaks="http",
    answers="http",
    service_port=at("Service", "spec.ports[0]"),
    has_rule=ObjectRef("DestinationRule", "ns", "web"),
    container_ports=(9000,),
    target_port=80,
    destination=TO,
    client_workload=ObjectRef("Deployment", "ns", "client"),
    server_workload=ObjectRef("Deployment", "ns", "web"),
    client_identity="spiffe://cluster.local/ns/ns/sa/client",
    server_identity="spiffe://cluster.local/ns/ns/sa/web",
    limits=(at("DestinationRule", "spec.trafficPolicy.connectionPool.http.maxRetries"),),
    timeout=at("VirtualService", "spec.http[0].timeout"),
    fault=at("VirtualService", "spec.http[0].fault"),
    gateway_server=at("Gateway", "spec.servers[0]"),
    rule=at("AuthorizationPolicy", "spec.rules[0]"),
    policy=at("AuthorizationPolicy", "spec"),
    would_allow=True,
    tls_names=("a.example.com", "b.example.com"),
    listens=(9001,),
    principals=at("AuthorizationPolicy", "spec.rules[0].from[0].source.principals"),
    host="c.example.com",
    served=(at("Gateway", "spec.servers[0].hosts"),),
    wider={at("VirtualService", "spec.http[0].match[0].uri"): {"prefix": "/a"}},
    corrections=(Correction("no-route", "say it", at("VirtualService", "spec.http[0].name"), "x"),),
)
CLOSED = GatewayChoice(at("Gateway", "spec.selector"), "istio=other", False, {"istio": "ingress"})
WIDE = GatewayChoice(at("Gateway", "spec.selector", "two"), "a=b, c=d", False, {"istio": "ingress"})
OPEN = GatewayChoice(at("Gateway", "spec.selector", "own"), "istio=ingress", True, {"istio": "x"})


def like(base: Situation, **changes: Any) -> Situation:
    return msgspec.structs.replace(base, **changes)


SITUATIONS = {
    "nothing known": Situation(),
    "sidecar to sidecar": FULL,
    "from outside": like(FULL, client_role="outside", speaks="tls", only_rule=True, insecure=True),
    "through a gateway": like(
        FULL,
        client_role="gateway",
        server_role="gateway",
        gateways=(CLOSED, WIDE),
        server_meant=True,
        destination=msgspec.structs.replace(TO, port=81),
    ),
    "a gateway that is open": like(
        FULL,
        server_role="gateway",
        gateways=(OPEN, CLOSED),
        destination=msgspec.structs.replace(TO, known=False, elsewhere=("web.b.svc",)),
        client_tls=None,
    ),
    "passed through": like(
        FULL,
        passed_through=True,
        corrections=(),
        asked_service=ObjectRef("Service", "ns", "web"),
        scope=at("Sidecar", "spec.egress[0].hosts"),
        destination=msgspec.structs.replace(TO, subset="", ports=TO.ports[1:]),
        would_allow=False,
        skips_verification=False,
    ),
    "an address": Situation(passed_through=True, client_role="sidecar"),
}


def told(known: Situation) -> dict[str, list[str]]:
    """Return what is advised in a situation, where it is not what every situation is told."""
    found = {}
    for code, cause in catalogue.BY_CODE.items():
        given = advice.of(cause, known)
        marks = ("weakens", "guess", "kin")
        lines = []
        for each in given.remedies:
            words = [mark for mark in marks if getattr(each, mark)]
            lines.append(f"{each.words}{f' ({chr(32).join(words)})' if words else ''}")
        if given.hints != cause.hints:
            lines += [f"hint: {hint}" for hint in given.hints] or ["no hint"]
        if lines:
            found[code] = lines
    return found


def differing(name: str) -> dict[str, list[str]]:
    """Return what a situation is told and the first two are not, as far as they come before it."""
    order = list(SITUATIONS)
    first = order[: min(2, order.index(name))]
    before = [told(SITUATIONS[other]) for other in first]
    return {
        code: lines
        for code, lines in told(SITUATIONS[name]).items()
        if all(lines != known.get(code) for known in before)
    }


@pytest.mark.parametrize("name", SITUATIONS)
def test_all_advice(name: str) -> None:
    written = yaml.safe_load(WRITTEN.read_text())[name]
    assert differing(name) == written, "read it; python -m tests.causes.test_advice_whole writes it"


if __name__ == "__main__":
    everything = {name: differing(name) for name in SITUATIONS}
    WRITTEN.write_text(yaml.safe_dump(everything, sort_keys=False, width=260))
