"""Every problem of a body is reported, at its place, in known words; what is sound is decoded."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.model.manifests import reader
from lateen.model.schema import decode, kinds
from lateen.model.schema.kindinfo import KindInfo

CASES = sorted((Path(__file__).parent / "cases" / "decode").iterdir())
WALKTHROUGH = sorted((Path(__file__).parents[2] / "examples" / "walkthrough").glob("*.yaml"))


def kind(body: dict[str, Any]) -> KindInfo:
    info = kinds.find(body["apiVersion"], body["kind"])
    assert info is not None
    return info


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path, golden: Any) -> None:
    parsed = reader.parse((case / "in.yaml").read_text(), "in.yaml")
    assert not parsed.problems
    found = [
        {
            "line": manifest.locate(problem.path).line,
            "path": problem.path,
            "kind": problem.kind,
            "message": problem.message,
            "suggestion": problem.suggestion,
        }
        for manifest in parsed.manifests
        for problem in decode.decode(kind(manifest.body), manifest.body).problems
    ]
    golden(case / "out.yaml", found)


def test_the_walkthrough_is_sound() -> None:
    decoded = [
        decode.decode(kind(manifest.body), manifest.body)
        for file in WALKTHROUGH
        for manifest in reader.parse(file.read_text(), file.name).manifests
    ]
    assert len(decoded) == 8
    assert not [problem for one in decoded for problem in one.problems]
    rule = next(d.object for d in decoded if d.body["kind"] == "DestinationRule")
    settings = rule.spec.traffic_policy.port_level_settings[0]
    assert (settings.port.number, settings.tls.mode) == (8443, "SIMPLE")


def test_other_spellings_come_out_plain() -> None:
    body = {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "spec": {
            "selector": {"match_labels": {"a": "b"}},
            "mtls": {"mode": 3},
            "portLevelMtls": {8: {}},
        },
    }
    decoded = decode.decode(kind(body), body)
    assert decoded.body["spec"] == {
        "selector": {"matchLabels": {"a": "b"}},
        "mtls": {"mode": "STRICT"},
        "portLevelMtls": {"8": {}},
    }
    assert decoded.object.spec.port_level_mtls[8].mode == "UNSET"


def test_lenient_decoding_drops_unknown_fields_only() -> None:
    body = {"apiVersion": "v1", "kind": "Service", "spec": {"prots": [], "ports": [{"port": "x"}]}}
    decoded = decode.decode(kind(body), body, strict=False)
    assert [problem.kind for problem in decoded.problems] == ["type"]
    assert "prots" not in decoded.body["spec"]


def test_a_status_may_leave_zeros_out() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {"containers": [{"name": "a"}]},
        "status": {"containerStatuses": [{"name": "a"}]},
    }
    decoded = decode.decode(kind(body), body)
    assert not decoded.problems
    assert decoded.object.status.container_statuses[0].restart_count == 0


@pytest.mark.parametrize("body", [None, [], "text", 5])
def test_a_body_that_is_no_mapping(body: object) -> None:
    decoded = decode.decode(kinds.KINDS["pods"], body)
    assert decoded.object is None
    assert decoded.problems[0].kind == "type"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["http", "match", "uri", "route", "hosts", "name", "spec", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)


@given(spec=json_values)
def test_anything_decodes_or_is_reported_and_plain_bodies_are_stable(spec: Any) -> None:
    info = kinds.KINDS["virtualservices.networking.istio.io"]
    first = decode.decode(info, {"kind": "VirtualService", "spec": spec})
    assert first.object is not None
    again = decode.decode(info, first.body)
    assert again.body == first.body
    assert again.object == first.object
    assert all(problem.kind == "required" for problem in again.problems)


def test_nearest() -> None:
    assert decode.nearest("lables", ["labels", "name"]) == "labels"
    assert decode.nearest("zzz", ["labels", "name"]) == ""


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (
            {"outlierDetection": {"consecutive5xxErrors": -1}},
            "Invalid value: -1: spec.trafficPolicy.outlierDetection.consecutive5xxErrors in body "
            "should be greater than or equal to 0",
        ),
        (
            {"outlierDetection": {"consecutive5xxErrors": 2**32}},
            "Invalid value: 4294967296: spec.trafficPolicy.outlierDetection.consecutive5xxErrors "
            "in body should be less than or equal to 4294967295",
        ),
        ({"outlierDetection": {"consecutive5xxErrors": 2**32 - 1}}, ""),
        ({"connectionPool": {"tcp": {"maxConnections": 2**31 - 1}}}, ""),
        (
            {"connectionPool": {"tcp": {"maxConnections": 2**31}}},
            'Invalid value: "integer": spec.trafficPolicy.connectionPool.tcp.maxConnections in '
            'body must be of type integer: "integer"',
        ),
    ],
)
def test_numbers_of_protobuf_have_the_bounds_of_their_types(
    policy: dict[str, object], message: str
) -> None:
    info = kinds.KINDS["destinationrules.networking.istio.io"]
    body = {"metadata": {"name": "a"}, "spec": {"host": "a", "trafficPolicy": policy}}
    problems = decode.decode(info, body).problems
    assert [problem.message for problem in problems] == ([message] if message else [])
