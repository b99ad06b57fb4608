"""Advice names what this mesh needs: which remedy there is depends on what is known."""

from typing import Any

import msgspec
import pytest

from lateen.causes import advice, catalogue
from lateen.causes.situation import (
    ChosenPod,
    ClientTls,
    DeclaredPort,
    RouteDestination,
    ServerMode,
    Situation,
)
from lateen.model.meta import ObjectRef, Source

RULE = Source(ObjectRef("DestinationRule", "default", "web"), "spec.trafficPolicy.tls")
POLICY = Source(ObjectRef("PeerAuthentication", "default", "strict"), "spec.mtls.mode")
ROUTE = Source(ObjectRef("VirtualService", "default", "web"), "spec.http[1].route[0].destination")
SERVICE = ObjectRef("Service", "default", "web")
WEB = RouteDestination(
    host="web.default.svc.cluster.local",
    port=8443,
    ports=(DeclaredPort(8080, "http"), DeclaredPort(8443, "tls")),
    field=ROUTE,
    selector={"app": "web"},
    service=SERVICE,
)
STRICT = ServerMode("STRICT", POLICY, selects=True)
WIDE = ServerMode("STRICT", POLICY)
SIMPLE = ClientTls("SIMPLE", RULE)


def words(code: str, **known: Any) -> list[str]:
    found = advice.of(catalogue.BY_CODE[code], Situation(**known))
    return [remedy.words for remedy in found.remedies]


def hints(code: str, **known: Any) -> str:
    return " ".join(advice.of(catalogue.BY_CODE[code], Situation(**known)).hints)


def test_the_walkthroughs_503_is_mended_by_the_plain_port_or_by_letting_its_own_tls_through() -> (
    None
):
    """What the application itself encrypts, the mesh cannot encrypt again for it."""
    found = words(
        "no-mesh-certificate",
        client_tls=SIMPLE,
        server_mode=STRICT,
        speaks="tls",
        target_port=443,
        destination=WEB,
    )
    assert [each.partition(": ")[2] for each in found] == [
        "set spec.http[1].route[0].destination.port.number of VirtualService/default/web to 8080",
        'set spec.portLevelMtls.443 of PeerAuthentication/default/strict to {"mode": "DISABLE"}',
    ]


def test_to_an_application_of_plain_http_the_meshs_own_tls_is_right() -> None:
    found, automatic = words(
        "no-mesh-certificate", client_tls=SIMPLE, server_mode=STRICT, speaks="http"
    )
    assert automatic.endswith("remove spec.trafficPolicy.tls from DestinationRule/default/web")
    assert (
        'spec.trafficPolicy.tls of DestinationRule/default/web to {"mode": "ISTIO_MUTUAL"}' in found
    )


def test_a_policy_without_selector_may_name_no_port_so_that_one_is_added() -> None:
    found = words(
        "no-mesh-certificate", server_mode=WIDE, speaks="tls", target_port=443, destination=WEB
    )
    assert found[-1].endswith("add PeerAuthentication/default/web-own-tls")


@pytest.mark.parametrize(
    ("known", "count"),
    [
        ({"server_mode": STRICT}, 1),
        ({"server_mode": ServerMode("STRICT")}, 0),
        ({"server_mode": STRICT, "client_tls": ClientTls("DISABLE", RULE)}, 3),
        ({"server_mode": STRICT, "client_workload": ObjectRef("Deployment", "a", "b")}, 2),
        ({"server_mode": STRICT, "speaks": "tls"}, 0),
    ],
)
def test_only_what_is_known_makes_a_remedy(known: dict[str, Any], count: int) -> None:
    assert len(words("plaintext-to-strict", **known)) == count


def test_a_pods_own_address_is_no_matter_of_a_sidecar() -> None:
    told = hints("plaintext-to-strict", client_role="sidecar", passed_through=True)
    assert "by its Service's name" in told
    assert "sidecar" not in told


def test_a_credential_is_named_where_it_works() -> None:
    assert "credentialName" in hints("server-certificate-untrusted", client_role="gateway")
    assert "credentialName" not in hints("server-certificate-untrusted", client_role="sidecar")


def test_k_is_not_advised_to_who_gave_it() -> None:
    assert "-k" in hints("client-tls")
    assert "-k" not in hints("client-tls", insecure=True)


@pytest.mark.parametrize(
    ("to", "hint", "remedy"),
    [
        (
            RouteDestination(host="no", port=80, known=False, field=ROUTE),
            "no Service is called no",
            "",
        ),
        (
            RouteDestination(host="h", port=1, ports=(DeclaredPort(80),), field=ROUTE),
            "it has 80",
            "80",
        ),
        (
            RouteDestination(
                host="h", port=1, ports=(DeclaredPort(2), DeclaredPort(3)), field=ROUTE
            ),
            "it has 2, 3",
            "spec.http[1].route[0].destination.port.number of VirtualService/default/web to ",
        ),
        (
            RouteDestination(host="h", port=1, ports=(DeclaredPort(1),), subset="v2", field=ROUTE),
            "subset v2 of h is defined in no DestinationRule",
            "remove spec.http[1].route[0].destination.subset",
        ),
    ],
)
def test_a_destination_that_is_not_there_is_told_by_what_it_lacks(
    to: RouteDestination, hint: str, remedy: str
) -> None:
    assert hint in hints("no-such-destination", destination=to)
    found = words("no-such-destination", destination=to)
    assert len(found) == (len(to.ports) if "port" in remedy else bool(remedy))
    assert all(remedy in each for each in found)


def test_what_weakens_comes_last_and_is_marked() -> None:
    known = Situation(
        server_mode=STRICT, client_tls=ClientTls("DISABLE", RULE), target_port=80, speaks="http"
    )
    found = advice.of(catalogue.PLAINTEXT_TO_STRICT, known).remedies
    assert [each.weakens for each in found] == [False, False, True, True]
    assert found[2].edits[0].path == ("spec", "portLevelMtls", "80", "mode")


def test_mutual_tls_is_a_remedy_only_for_who_would_then_be_allowed() -> None:
    plain = ClientTls("DISABLE", RULE)
    assert len(words("rbac-no-identity", client_tls=plain, would_allow=True)) == 2
    assert not words("rbac-no-identity", client_tls=plain)


PORT = Source(SERVICE, "spec.ports[1]")


@pytest.mark.parametrize(
    ("declared", "count"), [((8080,), 1), ((80,), 0), ((8080, 9090), 0), ((), 0)]
)
def test_the_one_port_that_a_container_declares_is_where_it_listens(
    declared: tuple[int, ...], count: int
) -> None:
    known = {"service_port": PORT, "target_port": 80, "container_ports": declared}
    found = words("connection-refused", **known)
    assert len(found) == count
    assert all(
        each.endswith("set spec.ports[1].targetPort of Service/default/web to 8080")
        for each in found
    )


@pytest.mark.parametrize(
    ("mode", "rule", "edit"),
    [
        ("PERMISSIVE", None, "add DestinationRule/default/web-tls"),
        (
            "DISABLE",
            RULE.ref,
            "spec.trafficPolicy.portLevelSettings of DestinationRule/default/web",
        ),
        ("STRICT", None, ""),
    ],
)
def test_tls_is_begun_where_the_server_lets_it_through(
    mode: str, rule: ObjectRef | None, edit: str
) -> None:
    alone = msgspec.structs.replace(WEB, ports=(DeclaredPort(8443, "tls"),))
    known = {"destination": alone, "server_mode": ServerMode(mode), "has_rule": rule}
    found = words("plaintext-to-tls", **known)
    assert len(found) == bool(edit)
    assert all(each.endswith(edit) for each in found)


def test_what_is_not_verified_is_skipped_only_where_that_has_an_effect() -> None:
    known = {"client_tls": SIMPLE, "speaks": "tls", "server_mode": ServerMode("DISABLE")}
    assert len(words("server-certificate-untrusted", **known)) == 1
    assert not words("server-certificate-untrusted", **known, skips_verification=False)


@pytest.mark.parametrize("code", [c.code for c in catalogue.EVERY])
def test_nobody_is_told_to_use_the_meshs_tls_instead_of_the_applications_own(code: str) -> None:
    """To a port that serves TLS itself that would be plaintext."""
    known = {
        "client_tls": SIMPLE,
        "server_mode": STRICT,
        "speaks": "tls",
        "target_port": 443,
        "destination": WEB,
        "client_role": "gateway",
        "server_role": "sidecar",
    }
    told = " ".join(words(code, **known)) + hints(code, **known)
    if code not in ("tls-to-plaintext", "tls-unanswered"):
        assert "ISTIO_MUTUAL" not in told
    assert "use the mesh's own mutual TLS" not in told


def _to(*pods: ChosenPod, subset: str = "") -> Situation:
    service = ObjectRef("Service", "shop", "db")
    to = RouteDestination(
        host="db", port=80, subset=subset, service=service, labels={"app": "db"}, pods=pods
    )
    return Situation(destination=to)


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        (_to(), "no pod of shop has the labels that are wanted by Service/shop/db: app=db"),
        (_to(subset="v2"), "no pod of shop has the labels of subset v2 of Service/shop/db: app=db"),
        (
            _to(
                ChosenPod("shop/a", "container a: ImagePullBackOff"), ChosenPod("shop/b", "Pending")
            ),
            "none of its pods is ready: shop/a: container a: ImagePullBackOff; shop/b: Pending",
        ),
        (_to(ChosenPod("shop/a"), ChosenPod("shop/b", "Pending")), "compare the Service's"),
    ],
)
def test_why_there_is_no_endpoint(known: Situation, hint: str) -> None:
    assert advice.of(catalogue.NO_HEALTHY_ENDPOINTS, known).hints[0].startswith(hint)


def test_a_port_that_a_service_does_not_have() -> None:
    service = ObjectRef("Service", "shop", "db")
    known = Situation(asked_service=service, asked_port=81, asked_ports=(80, 443))
    (hint,) = advice.of(catalogue.CONNECTION_REFUSED, known).hints
    assert hint == "Service/shop/db has no port 81: it has 80, 443"
    has = Situation(asked_service=service, asked_port=80, asked_ports=(80,))
    assert "targetPort" in advice.of(catalogue.CONNECTION_REFUSED, has).hints[0]
