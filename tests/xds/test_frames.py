"""Messages joined by hand are the messages protobuf makes."""

from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import given, strategies as st

from lateen.compiler.output import Resource, ResourceType
from lateen.xds import frames

kinds = st.sampled_from(list(ResourceType))
entries = st.lists(st.tuples(st.text(max_size=300), st.binary(max_size=20_000)), max_size=5)


def built(kind, pairs):
    return [Resource(kind, name, body) for name, body in pairs]


@given(kinds, entries, st.lists(st.text(max_size=20)), st.text(max_size=10))
def test_delta(kind, pairs, removed, nonce):
    resources = built(kind, pairs)
    message = discovery_pb2.DeltaDiscoveryResponse.FromString(
        frames.delta_response(kind, resources, removed, nonce)
    )
    assert (message.type_url, message.nonce) == (kind.value, nonce)
    assert list(message.removed_resources) == removed
    assert [
        (r.name, r.version, r.resource.type_url, r.resource.value) for r in message.resources
    ] == [(r.name, r.version, kind.value, r.body) for r in resources]


@given(kinds, entries, st.text(max_size=10))
def test_sotw(kind, pairs, nonce):
    message = discovery_pb2.DiscoveryResponse.FromString(
        frames.sotw_response(kind, built(kind, pairs), "7", nonce)
    )
    assert (message.version_info, message.nonce) == ("7", nonce)
    assert [(r.type_url, r.value) for r in message.resources] == [(kind.value, b) for _, b in pairs]


def test_a_request_of_another_type_is_told_apart():
    request = discovery_pb2.DeltaDiscoveryRequest(type_url="type.googleapis.com/other")
    request.node.id = "n"
    assert frames.read_delta(request.SerializeToString()) == ("n", None)
