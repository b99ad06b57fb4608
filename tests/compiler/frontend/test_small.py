"""The pieces without Kubernetes objects: versions, protocols, hosts, metadata, durations."""

import base64

import pytest
from hypothesis import given, strategies as st

from lateen.compiler.frontend import quantities, versions
from lateen.compiler.frontend.registry import downward_labels, hosts, protocols
from lateen.compiler.ir.workload import Protocol


@pytest.mark.parametrize(
    ("version", "feature", "expected"),
    [
        ("1.17", "verify_upstream", False),
        ("1.20", "verify_upstream", False),
        ("1.21", "verify_upstream", True),
        ("1.32", "verify_upstream", True),
        ("1.18", "alpn_override_for_user_tls", True),
        ("1.19.0", "alpn_override_for_user_tls", False),
        ("1.23", "retry_503", True),
        ("1.24", "retry_503", False),
        ("1.27", "shadow_host_suffix", True),
        ("1.28.4", "shadow_host_suffix", False),
        ("1.20.1", "wildcard_most_specific", False),
        ("1.20.2", "wildcard_most_specific", True),
        ("1.19.5", "wildcard_most_specific", False),
        ("1.19.6", "wildcard_most_specific", True),
        ("1.20", "wildcard_most_specific", True),
        ("1.26", "absolute_fqdn_domain", False),
        ("1.27", "absolute_fqdn_domain", True),
        ("1.15", "sidecar_ignore_port", False),
        ("1.29.1", "retry_budget_of_a_fifth", False),
        ("1.28.6", "retry_budget_of_a_fifth", True),
        ("1.24.4", "inbound_retry_of_grpc", True),
        ("1.24.5", "inbound_retry_of_grpc", False),
        ("1.25.1", "inbound_retry_of_grpc", True),
        ("1.25", "inbound_retry_of_grpc", False),
    ],
)
def test_version_rows(version: str, feature: str, expected: bool) -> None:
    assert getattr(versions.features(version), feature) is expected


@pytest.mark.parametrize("version", ["1.14", "1.33", "2.0", "latest", "", "1", "1.x", "1.28.4.1"])
def test_unknown_version_says_which_are_known(version: str) -> None:
    with pytest.raises(versions.UnknownVersion, match=r"from 1\.15 to 1\.32"):
        versions.features(version)


def test_version_is_kept_as_written_without_its_v() -> None:
    assert versions.features("v1.28.4").version == "1.28.4"
    assert versions.features().version == versions.DEFAULT


def test_every_row_names_a_field_and_every_id_is_unique() -> None:
    newest = versions.features()
    assert all(hasattr(newest, gate.feature) for gate in versions.GATES)
    assert len({gate.id for gate in versions.GATES}) == len(versions.GATES)


@pytest.mark.parametrize(
    ("number", "name", "app", "transport", "expected"),
    [
        (80, "http", "", "TCP", Protocol.HTTP),
        (80, "http-web", "", "TCP", Protocol.HTTP),
        (80, "httpx", "", "TCP", Protocol.AUTO),
        (80, "HTTP2-x", "", "TCP", Protocol.HTTP2),
        (80, "grpc-web-x", "", "TCP", Protocol.GRPC_WEB),
        (80, "grpc-x", "", "TCP", Protocol.GRPC),
        (80, "tcp", "http", "TCP", Protocol.HTTP),
        (80, "", "kubernetes.io/h2c", "TCP", Protocol.HTTP2),
        (80, "", "kubernetes.io/ws", "TCP", Protocol.HTTP),
        (80, "", "kubernetes.io/wss", "TCP", Protocol.HTTPS),
        (443, "https", "", "TCP", Protocol.HTTPS),
        (443, "tls-x", "", "TCP", Protocol.TLS),
        (3306, "", "", "TCP", Protocol.TCP),
        (3306, "mysql", "", "TCP", Protocol.MYSQL),
        (27017, "db", "", "TCP", Protocol.TCP),
        (25, "", "", "TCP", Protocol.TCP),
        (53, "dns", "", "UDP", Protocol.UDP),
        (8080, "", "", "TCP", Protocol.AUTO),
        (8080, "web", "example.com/own", "TCP", Protocol.AUTO),
    ],
)
def test_protocol_selection(
    number: int, name: str, app: str, transport: str, expected: Protocol
) -> None:
    assert protocols.select(number, name, app, transport) is expected


@pytest.mark.parametrize(
    ("host", "namespace", "expected"),
    [
        ("reviews", "prod", "reviews.prod.svc.cluster.local"),
        ("reviews.prod", "other", "reviews.prod"),
        ("*", "prod", "*"),
        ("*.example.com", "prod", "*.example.com"),
        ("10.0.0.1", "prod", "10.0.0.1"),
        ("::1", "prod", "::1"),
        ("", "prod", ""),
    ],
)
def test_short_names(host: str, namespace: str, expected: str) -> None:
    assert hosts.resolve(host, namespace, "cluster.local") == expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("*", "a.b", "a.b"),
        ("*.b", "a.b", "a.b"),
        ("*.b", "*.a.b", "*.a.b"),
        ("*.b", "b", None),
        ("a.b", "a.b", "a.b"),
        ("a.b", "c.b", None),
        ("*.a", "*.b", None),
        ("*", "*", "*"),
    ],
)
def test_intersection_is_the_narrower_host(one: str, other: str, expected: str | None) -> None:
    assert hosts.intersect(one, other) == expected
    assert hosts.intersect(other, one) == expected


NAMES = st.from_regex(r"(\*|(\*\.)?([a-c]\.){0,3}[a-c])", fullmatch=True)


@given(NAMES, NAMES, NAMES)
def test_covering_is_transitive(wide: str, middle: str, narrow: str) -> None:
    if hosts.covers(wide, middle) and hosts.covers(middle, narrow):
        assert hosts.covers(wide, narrow)


CAPTURED = (
    "ChQKDkFQUF9DT05UQUlORVJTEgIaAAoaCgpDTFVTVEVSX0lEEgwaCkt1YmVybmV0ZXMKHwoMSU5TVEFOQ0VfSVBTEg8a"
    "DTE3Mi4xNy4xMjEuODgKGQoNSVNUSU9fVkVSU0lPThIIGgYxLjE3LjIKGgoHTUVTSF9JRBIPGg1jbHVzdGVyLmxvY2Fs"
    "ChcKEVBMQVRGT1JNX01FVEFEQVRBEgIqAA=="
)
"""A real header of Istio 1.17, without its longer fields."""


def test_struct_reads_and_writes_what_istio_sends() -> None:
    data = base64.b64decode(CAPTURED)
    fields = downward_labels.decode(data)
    assert fields == {
        "APP_CONTAINERS": "",
        "CLUSTER_ID": "Kubernetes",
        "INSTANCE_IPS": "172.17.121.88",
        "ISTIO_VERSION": "1.17.2",
        "MESH_ID": "cluster.local",
        "PLATFORM_METADATA": {},
    }
    assert downward_labels.encode(fields) == data


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_struct_round_trip(fields: dict[str, downward_labels.Value]) -> None:
    assert downward_labels.decode(downward_labels.encode(fields)) == fields


@given(st.binary(max_size=40))
def test_struct_decoding_fails_with_valueerror_only(data: bytes) -> None:
    try:
        downward_labels.decode(data)
    except ValueError:
        return


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.5s", 1.5), ("10ms", 0.01), ("1m30s", 90.0), ("0s", 0.0), ("", None), ("soon", None)],
)
def test_durations(text: str, expected: float | None) -> None:
    assert quantities.seconds(text) == expected


@pytest.mark.parametrize(
    ("percent", "ppm"),
    [(None, 0), (0.0001, 1), (12.5, 125_000), (100, 1_000_000), (400, 1_000_000)],
)
def test_percentages(percent: float | None, ppm: int) -> None:
    assert quantities.parts_per_million(percent) == ppm
