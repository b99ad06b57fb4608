"""A snapshot shares what did not change, finds by label, and knows lines while they hold."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.model import snapshot
from lateen.model.kube.core.objects import Pod
from lateen.model.manifests import reader, sourcelines
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import kinds
from lateen.model.schema.objectmeta import ObjectMeta
from lateen.model.snapshot import Change, Snapshot

POLICIES = "peerauthentications.security.istio.io"
TEXT = """apiVersion: security.istio.io/v1beta1
kind: PeerAuthentication
metadata:
  name: strict
spec:
  mtls:
    mode: STRICT
"""


def pod(name: str, namespace: str = "default", **labels: str) -> Pod:
    return Pod(metadata=ObjectMeta(name=name, namespace=namespace, labels=labels))


def put(value: Pod) -> Change:
    return Change("pods", value.metadata.namespace, value.metadata.name, value)


def test_unchanged_tables_and_objects_keep_their_identity() -> None:
    first = Snapshot().with_changes([put(pod("a")), put(pod("b"))])
    service = snapshot.of_bodies(
        [{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}}]
    )
    added = Change("services", "default", "s", service.services["default", "s"])
    second = first.with_changes([added])
    assert second.pods is first.pods
    third = second.with_changes([put(pod("c")), Change("pods", "default", "a", None)])
    assert third.services is second.services
    assert third.pods["default", "b"] is first.pods["default", "b"]
    assert set(first.pods) == {("default", "a"), ("default", "b")}
    assert set(third.pods) == {("default", "b"), ("default", "c")}


def test_a_kind_without_objects_is_always_the_same_table() -> None:
    assert Snapshot().gateways is Snapshot().with_changes([put(pod("a"))]).gateways


label_sets = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"))
changes = st.lists(
    st.tuples(
        st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(["n1", "n2"]), st.none() | label_sets
    ),
    max_size=12,
)


@given(rounds=st.lists(changes, max_size=4), wanted=label_sets)
def test_the_label_index_agrees_with_a_scan(
    rounds: list[list[tuple[str, str, dict[str, str] | None]]], wanted: dict[str, str]
) -> None:
    current = Snapshot()
    for batch in rounds:
        list(current.matching("pods", "n1", wanted))
        current = current.with_changes(
            Change("pods", ns, name, None if labels is None else pod(name, ns, **labels))
            for name, ns, labels in batch
        )
        for namespace in ("n1", "n2"):
            found = {p.metadata.name for p in current.matching("pods", namespace, wanted)}
            scanned = {
                name
                for (ns, name), p in current.pods.items()
                if ns == namespace and wanted.items() <= p.metadata.labels.items()
            }
            assert found == scanned


def with_source_map(spec: dict[str, Any]) -> Snapshot:
    """A PeerAuthentication whose manifest was TEXT and whose spec is now another."""
    (manifest,) = reader.parse(TEXT, "mesh/strict.yaml").manifests
    entry = sourcelines.source_map(
        kind="PeerAuthentication",
        namespace="default",
        name="strict",
        owner_uid="u",
        api_version="security.istio.io/v1",
        spec=manifest.body["spec"],
        file=manifest.file,
        lines={path: place.line for path, place in manifest.locations.items()},
    )
    return snapshot.of_bodies([{**manifest.body, "spec": spec}, entry])


STRICT = ObjectRef("PeerAuthentication", "default", "strict")


@pytest.mark.parametrize(
    ("path", "line"),
    [("spec.mtls.mode", 7), ("spec.mtls.none[3]", 6), ("spec.selector", 5), ("", 1)],
)
def test_a_field_is_located(path: str, line: int) -> None:
    place = with_source_map({"mtls": {"mode": "STRICT"}}).locate(Source(STRICT, path))
    assert place is not None
    assert (place.file, place.line) == ("mesh/strict.yaml", line)


def test_lines_hold_for_other_spellings_of_the_same_spec() -> None:
    same = with_source_map({"mtls": {"mode": 3}, "portLevelMtls": None})
    assert same.locate(Source(STRICT, "spec.mtls")) is not None


def test_lines_of_another_spec_are_not_believed() -> None:
    changed = with_source_map({"mtls": {"mode": "DISABLE"}})
    assert changed.locate(Source(STRICT, "spec.mtls.mode")) is None
    gone = changed.with_changes([Change(POLICIES, "default", "strict", None)])
    assert gone.locate(Source(STRICT, "spec")) is None
    assert gone.locate(Source(ObjectRef("Gateway", "default", "strict"), "spec")) is None


def test_names_of_source_maps_are_names_and_tell_objects_apart() -> None:
    made = [
        sourcelines.source_map_name(kind, name)
        for kind, name in [("Role", "a:b"), ("Role", "a-b"), ("Pod", "x" * 253), ("Pod", "a.b")]
    ]
    assert len(set(made)) == 4
    assert made[1] == "role.a-b"
    assert all(
        len(name) <= 253 and name.replace("-", "").replace(".", "").isalnum() for name in made
    )


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="no kind Nothing in v1"):
        snapshot.of_bodies([{"apiVersion": "v1", "kind": "Nothing"}])


def test_every_compiled_kind_is_typed() -> None:
    assert all(info.struct is not None for info in kinds.KINDS.values() if info.compiled)
