"""Kubernetes' protobuf form, read: known bytes of kubectl, and any bytes at all."""

import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.protocol import protobuf

CONFIG_MAP = bytes.fromhex(
    "6b3873000a0f0a0276311209436f6e6669674d6170121c0a120a02636d12001a0022002a003200380042001206"
    "0a01611201621a002200"
)
"""What `kubectl create configmap cm --from-literal=a=b` sends."""


def test_a_config_map_of_kubectl() -> None:
    assert protobuf.decode(CONFIG_MAP) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cm"},
        "data": {"a": "b"},
    }


@pytest.mark.parametrize("cut", range(5, len(CONFIG_MAP) - 4, 3))
def test_cut_off_bytes_are_refused_or_hold_less(cut: int) -> None:
    try:
        body = protobuf.decode(CONFIG_MAP[:cut])
    except protobuf.WireError:
        return
    assert set(body) <= {"apiVersion", "kind", "metadata", "data"}


@given(st.binary(max_size=200), st.sampled_from(["Pod", "Deployment", "Secret", "Event"]))
def test_any_bytes_raise_nothing_but_its_own_error(data: bytes, kind: str) -> None:
    version = b"apps/v1" if kind == "Deployment" else b"v1"
    named = b"\x0a" + bytes([len(version)]) + version + b"\x12" + bytes([len(kind)]) + kind.encode()
    head = b"\x0a" + bytes([len(named)]) + named + b"\x12" + bytes([len(data) & 0x7F])
    try:
        protobuf.decode(protobuf.MAGIC + head + data[:127])
    except protobuf.WireError:
        return


def test_an_unknown_kind_names_itself() -> None:
    with pytest.raises(protobuf.WireError, match="'Nonsense' of 'v1' is read as JSON only"):
        protobuf.decode(protobuf.MAGIC + b"\x0a\x0e\x0a\x02v1\x12\x08Nonsense")


def message(kind: str, content: bytes, version: str = "v1") -> bytes:
    """Return an object in Kubernetes' envelope: its type, then its bytes."""
    parts = [(1, version.encode()), (2, kind.encode())]
    named = b"".join(bytes([number << 3 | 2, len(text)]) + text for number, text in parts)
    inner = [(1, named), (2, content)]
    return protobuf.MAGIC + b"".join(bytes([n << 3 | 2, len(part)]) + part for n, part in inner)


@pytest.mark.parametrize(
    ("kind", "content", "part", "found"),
    [
        ("PersistentVolumeClaim", "1202 2a00", "spec", {"storageClassName": ""}),
        ("ReplicationController", "1202 0800", "spec", {"replicas": 0}),
        ("PodTemplate", "0a02 1a00", "metadata", {}),
    ],
)
def test_a_zero_is_kept_where_it_differs_from_nothing(
    kind: str, content: str, part: str, found: object
) -> None:
    assert protobuf.decode(message(kind, bytes.fromhex(content)))[part] == found
