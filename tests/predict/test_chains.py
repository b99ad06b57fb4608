"""Filter chains are chosen by one property after another, and Envoy never goes back."""

import pytest
from envoy.config.listener.v3 import listener_pb2
from google.protobuf import json_format

from lateen.predict.envoy import chains
from lateen.predict.values.request import Content, Http, Raw, Tls


def listener(*matches: dict[str, object], inspectors: bool = True, default: bool = False):
    made = listener_pb2.Listener()
    if inspectors:
        made.listener_filters.add(name="envoy.filters.listener.tls_inspector")
        made.listener_filters.add(name="envoy.filters.listener.http_inspector")
    for number, match in enumerate(matches):
        chain = made.filter_chains.add(name=str(number))
        json_format.ParseDict(match, chain.filter_chain_match)
    if default:
        made.default_filter_chain.name = "default"
    return made


def chosen(made: listener_pb2.Listener, content: Content, port: int = 80) -> str:
    incoming = chains.Incoming(address="10.0.0.1", port=port, source="10.0.0.2", content=content)
    found = chains.choose(made, incoming, chains.inspected(made, incoming))
    return "" if found.chain is None else found.chain.name


def tls(sni: str = "", *alpn: str) -> Tls:
    return Tls(inner=Http(), sni=sni, alpn=alpn)


def test_a_port_of_its_own_hides_the_chains_of_no_port() -> None:
    made = listener({"destinationPort": 80, "transportProtocol": "tls"}, {})
    assert chosen(made, tls()) == "0"
    assert chosen(made, Http()) == "", "the chain of no port would take it, and is not asked"
    assert chosen(made, Http(), port=81) == "1"


def test_what_no_chain_takes_goes_to_the_default() -> None:
    made = listener({"destinationPort": 80, "transportProtocol": "tls"}, default=True)
    assert chosen(made, Http()) == "default"


def test_an_exact_name_hides_a_wildcard_that_would_fit_better_later() -> None:
    made = listener(
        {"serverNames": ["a.example.com"], "transportProtocol": "raw_buffer"},
        {"serverNames": ["*.example.com"]},
    )
    assert chosen(made, tls("a.example.com")) == ""
    assert chosen(made, tls("b.example.com")) == "1"


def test_the_longest_suffix_wins_and_no_name_comes_last() -> None:
    made = listener({"serverNames": ["*.com"]}, {"serverNames": ["*.b.com"]}, {})
    assert [chosen(made, tls(name)) for name in ("a.b.com", "b.com", "com", "")] == [
        "1",
        "0",
        "2",
        "2",
    ]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (tls("", "istio", "h2"), "0"),
        (tls("", "h2", "istio"), "0"),
        (tls("", "h2"), "1"),
        (Http(), "2"),
        (Http(version="2"), "2"),
        (Raw(), "3"),
    ],
)
def test_protocols_are_looked_up_in_the_clients_order(content: Content, wanted: str) -> None:
    made = listener(
        {"transportProtocol": "tls", "applicationProtocols": ["istio"]},
        {"transportProtocol": "tls"},
        {"transportProtocol": "raw_buffer", "applicationProtocols": ["http/1.1", "h2c"]},
        {"transportProtocol": "raw_buffer"},
    )
    assert chosen(made, content) == wanted


def test_without_an_inspector_all_is_plaintext_without_a_protocol() -> None:
    made = listener({"transportProtocol": "tls"}, {}, inspectors=False)
    assert chosen(made, tls("a.example.com")) == "1"


def test_an_inspector_waits_for_a_client_that_does_not_begin() -> None:
    made = listener({})
    incoming = chains.Incoming(
        address="10.0.0.1", port=80, source="10.0.0.2", content=Raw(first=False)
    )
    assert chains.inspected(made, incoming).waits


def test_the_longest_range_wins() -> None:
    made = listener(
        {"prefixRanges": [{"addressPrefix": "10.0.0.0", "prefixLen": 8}]},
        {"prefixRanges": [{"addressPrefix": "10.0.0.1", "prefixLen": 32}]},
        {},
    )
    assert chosen(made, Http()) == "1"
