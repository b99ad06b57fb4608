"""A request is explained by what held when it was made."""

from datetime import timedelta

import msgspec

from lateen.observe.requests import edges, joining
from lateen.observe.requests.directory import Party
from lateen.observe.requests.past import SETTLES, Past
from tests.observe import entries as e
from tests.observe.test_facts import WEB, view_of_the_client
from tests.observe.test_legs import logged

PLAIN_RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: default}
spec: {host: web, trafficPolicy: {tls: {mode: DISABLE}}}
"""
MUTUAL = view_of_the_client("clusterIP: 10.96.0.9")
PLAIN = view_of_the_client("clusterIP: 10.96.0.9", PLAIN_RULE)
CLIENT = "default/client"
WHO = msgspec.structs.replace(
    e.DIRECTORY,
    pods={"10.244.0.1": CLIENT, "10.244.0.2": e.SERVER},
    proxies={CLIENT: "sidecar", e.SERVER: "sidecar"},
)
ASKED = e.entry(
    "10.244.0.1:1000",
    "10.244.0.2:80",
    "10.244.0.1:2000",
    upstream_cluster=WEB,
    http=e.http(),
    after=60.0,
)


def reason(past: Past) -> str:
    (edge,) = edges.edges(joining.joined(logged((CLIENT, ASKED)), WHO), past.views)
    return edge.no_tls_reason


def test_an_edge_is_explained_by_the_configuration_of_its_time() -> None:
    past = Past()
    past.publish(CLIENT, PLAIN, e.START)
    assert reason(past) == "a DestinationRule sets TLS mode DISABLE for it"
    past.publish(CLIENT, MUTUAL, e.START + timedelta(seconds=90))
    assert reason(past) == "a DestinationRule sets TLS mode DISABLE for it"


def test_what_was_configured_later_explains_nothing_even_if_it_fits() -> None:
    past = Past()
    past.publish(CLIENT, MUTUAL, e.START)
    past.publish(CLIENT, PLAIN, e.START + timedelta(seconds=90))
    assert reason(past) == "the handshake was not finished"


def test_a_proxy_may_act_by_the_view_before_while_it_takes_a_new_one() -> None:
    past, then = Past(), e.START + timedelta(seconds=60)
    past.publish(CLIENT, PLAIN, e.START)
    past.publish(CLIENT, MUTUAL, then - SETTLES / 2)
    assert past.views(CLIENT, then) == (MUTUAL, PLAIN)
    assert past.views(CLIENT, then + SETTLES) == (MUTUAL,)
    assert reason(past) == "a DestinationRule sets TLS mode DISABLE for it"


def test_what_is_not_kept_is_not_guessed() -> None:
    past = Past(limit=1)
    past.publish(CLIENT, PLAIN, e.START)
    past.publish("default/other", PLAIN, e.START)
    assert past.views(CLIENT, e.START + timedelta(seconds=60)) == ()
    assert "not known any more" in reason(past)


def test_a_pod_that_is_gone_keeps_its_name_until_somebody_has_its_address() -> None:
    past = Past(limit=2)
    past.publish("default/gone", PLAIN, e.START)
    past.leave("10.244.0.9", "default/gone")
    assert past.remembered(WHO).party("10.244.0.9:1") == Party(
        "sidecar", "default/gone", PLAIN.node.identity
    )
    past.leave("10.244.0.1", "default/before")
    assert past.remembered(WHO).party("10.244.0.1:1").name == CLIENT
    past.leave("10.244.0.8", "default/bare")
    known = past.remembered(WHO)
    assert known.party("10.244.0.8:1") == Party("app", "default/bare")
    assert known.party("10.244.0.9:1").role == "outside"
