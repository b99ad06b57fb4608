"""The verbs: chunks that stay consistent, admission, dry runs, scale, eviction, addresses."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from openapi_spec_validator import OpenAPIV2SpecValidator

from lateen.apiserver.access import auth
from lateen.apiserver.openapi import v2, v3
from lateen.apiserver.protocol import negotiate
from lateen.apiserver.reading import listing, rendering
from lateen.apiserver.serving import kubeconfig, serve, subresources
from lateen.apiserver.writing import admission, objects, verbs
from lateen.base.clock import ManualClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore
from tests import first_namespaces

START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
WRITE = verbs.WriteOptions()


def make(chain: admission.Chain | None = None) -> verbs.Api:
    api = verbs.Api(MemoryStore(), ManualClock(START), chain=chain)
    first_namespaces.ensure(api)
    return api


def put(api: verbs.Api, resource: str, name: str, **fields: Any) -> Any:
    body = {"metadata": {"name": name}, **fields}
    return api.create(api.target(resource, "default"), body, WRITE).object


def test_chunks_show_one_moment_whatever_is_written_meanwhile() -> None:
    api = make()
    for number in range(10):
        put(api, "configmaps", f"c{number}")
    target = api.target("configmaps", "default")
    names: list[str] = []
    revisions = set()
    token = ""
    while True:
        listed = listing.list_objects(api, target, listing.ListOptions(limit=3, token=token))
        names += [entry.key.name for entry in listed.entries]
        revisions.add(listed.revision)
        put(api, "configmaps", f"b{len(names)}")
        if len(names) < 10:
            late = api.target("configmaps", "default", f"c{10 - len(names) // 3}")
            api.delete(late, objects.DeleteOptions(), WRITE)
        if not listed.token:
            break
        token = listed.token
    assert names == [f"c{number}" for number in range(10)]
    assert len(revisions) == 1


def test_chunks_under_a_selector() -> None:
    api = make()
    for number in range(9):
        body = {"metadata": {"name": f"c{number}", "labels": {"odd": str(number % 2)}}}
        api.create(api.target("configmaps", "default"), body, WRITE)
    target = api.target("configmaps")
    first = listing.list_objects(api, target, listing.ListOptions(labels="odd=1", limit=3))
    rest = listing.list_objects(
        api, target, listing.ListOptions(labels="odd=1", limit=3, token=first.token)
    )
    assert [e.key.name for e in (*first.entries, *rest.entries)] == ["c1", "c3", "c5", "c7"]
    assert rest.token == ""


def test_mutating_then_validating_admission() -> None:
    def label(review: admission.Review) -> Any:
        assert review.object is not None
        meta = review.object["metadata"]
        return {**review.object, "metadata": {**meta, "labels": {"seen": review.verb}}}

    def judge(review: admission.Review) -> admission.Verdict:
        if review.object is None or review.info.resource != "configmaps":
            return admission.Verdict()
        assert review.object["metadata"]["labels"]["seen"] == review.verb
        if "bad" in review.object.get("data", {}):
            return admission.Verdict(denied="bad data")
        return admission.Verdict(warnings=("looked at",))

    api = make(admission.Chain((label,), (judge,)))
    target = api.target("configmaps", "default")
    done = api.create(target, {"metadata": {"name": "x"}}, WRITE)
    assert (done.object["metadata"]["labels"], done.warnings) == (
        {"seen": "create"},
        ("looked at",),
    )
    with pytest.raises(ApiError, match='configmaps "y" is forbidden: bad data') as caught:
        api.create(target, {"metadata": {"name": "y"}, "data": {"bad": "1"}}, WRITE)
    assert caught.value.code == 403
    named = replace(target, name="x")
    assert api.update(named, {"data": {"a": "b"}}, WRITE).object["metadata"]["labels"] == {
        "seen": "update"
    }


def test_a_dry_run_of_anything_writes_nothing() -> None:
    api = make()
    put(api, "configmaps", "x", data={"a": "1"})
    before, dry = api.store.revision, verbs.WriteOptions(dry_run=True)
    target = api.target("configmaps", "default", "x")
    made = api.create(replace(target, name=""), {"metadata": {"name": "y"}}, dry)
    assert made.created
    assert made.object["metadata"]["uid"]
    changed = api.patch(target, {"data": {"a": "2"}}, "application/merge-patch+json", dry)
    assert changed.object["data"] == {"a": "2"}
    assert api.delete(target, objects.DeleteOptions(), dry).removed
    with pytest.raises(ApiError, match="already exists"):
        api.create(replace(target, name=""), {"metadata": {"name": "x"}}, dry)
    assert api.store.revision == before


def test_services_get_addresses_and_keep_them() -> None:
    api = make()
    ports = [{"port": 80}]
    made = [put(api, "services", f"s{n}", spec={"ports": ports}) for n in range(50)]
    addresses = {one["spec"]["clusterIP"] for one in made}
    assert len(addresses) == 50
    target = api.target("services", "default", "s1")
    kept = api.update(target, {"spec": {"ports": [{"port": 81}]}}, WRITE).object
    assert kept["spec"]["clusterIP"] == made[1]["spec"]["clusterIP"]
    with pytest.raises(ApiError, match="provided IP is already allocated"):
        put(api, "services", "t", spec={"ports": ports, "clusterIP": made[0]["spec"]["clusterIP"]})
    api.delete(api.target("services", "default", "s0"), objects.DeleteOptions(), WRITE)
    again = {"ports": ports, "clusterIP": made[0]["spec"]["clusterIP"]}
    assert put(api, "services", "t", spec=again)["spec"]["clusterIP"] == again["clusterIP"]


def deployment(api: verbs.Api) -> Any:
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    put(api, "deployments.apps", "d", spec=spec)
    return api.target("deployments.apps", "default", "d", "scale")


def test_scale_is_read_set_and_patched() -> None:
    api = make()
    target = deployment(api)
    scale = subresources.get_scale(api, target)
    assert (scale["spec"], scale["status"]) == ({"replicas": 2}, {"replicas": 0, "selector": "a=b"})
    subresources.put_scale(api, target, {"spec": {"replicas": 5}}, WRITE)
    old = {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}
    with pytest.raises(ApiError, match="has been modified"):
        subresources.put_scale(api, target, old, WRITE)
    with pytest.raises(ApiError, match=r"spec\.replicas: Invalid value"):
        subresources.put_scale(api, target, {"spec": {"replicas": -1}}, WRITE)
    patch = {"spec": {"replicas": 7}}
    subresources.patch_scale(api, target, patch, "application/merge-patch+json", WRITE)
    stored = api.get(api.target("deployments.apps", "default", "d"))
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (7, 3)


def test_binding_and_eviction() -> None:
    api = make()
    put(api, "pods", "p", spec={"containers": [{"name": "c", "image": "i"}]})
    target = api.target("pods", "default", "p", "binding")
    subresources.bind(api, target, {"target": {"kind": "Node", "name": "n"}}, WRITE)
    with pytest.raises(ApiError, match="already assigned to node 'n'"):
        subresources.bind(api, target, {"target": {"name": "m"}}, WRITE)
    subresources.evict(api, target, {"deleteOptions": {"gracePeriodSeconds": 9}}, WRITE)
    assert (
        api.get(api.target("pods", "default", "p"))["metadata"]["deletionGracePeriodSeconds"] == 9
    )


def test_every_kind_is_described_and_every_reference_resolves() -> None:
    api = make()
    swagger = v2.document(api.resources)
    used = set(_references(swagger))
    assert used <= _defined(swagger)
    assert not list(OpenAPIV2SpecValidator(swagger).iter_errors())
    documents = v3.Documents()
    index = documents.index(api.resources)["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/networking.istio.io/v1alpha3"} <= set(index)
    for path, place in index.items():
        made = documents.document(api.resources, path)
        assert set(_references(made)) <= _defined(made)
        assert place["serverRelativeURL"].startswith(f"/openapi/v3/{path}?hash=")
    assert documents.index(api.resources)["paths"] == index


def _defined(document: Any) -> set[str]:
    held = document.get("components") or document
    inside = "#/components/" if "components" in document else "#/"
    rooms = ("schemas", "definitions", "responses")
    return {f"{inside}{room}/{name}" for room in rooms for name in held.get(room, ())}


def _references(value: Any) -> Any:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for one in value.values():
            yield from _references(one)
    elif isinstance(value, list):
        for one in value:
            yield from _references(one)


def test_an_object_in_every_form() -> None:
    api = make()
    put(api, "configmaps", "x", data={"a": "1"})
    target = api.target("configmaps", "default", "x")
    value = api.get(target)

    def shown(accept: str, include: str = "") -> Any:
        form = negotiate.accept(accept)
        return json.loads(rendering.one(target, value, form, START, include))

    assert shown("application/json")["data"] == {"a": "1"}
    partial = shown("application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1")
    assert (partial["kind"], set(partial)) == (
        "PartialObjectMetadata",
        {"kind", "apiVersion", "metadata"},
    )
    asked = "application/json;as=Table;g=meta.k8s.io;v=v1"
    table = shown(asked)
    assert [one["name"] for one in table["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert table["rows"][0]["cells"] == ["x", 1, "0s"]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    assert shown(asked, "Object")["rows"][0]["object"]["data"] == {"a": "1"}
    assert "object" not in shown(asked, "None")["rows"][0]


def test_files_and_sockets_are_the_owners_only(tmp_path: Path) -> None:
    config = tmp_path / "config"
    text = kubeconfig.content(name="x", server="https://h", ca_pem=b"c", token="t")
    config.write_text("old")
    config.chmod(0o644)
    kubeconfig.write(config, text)
    assert config.stat().st_mode & 0o777 == 0o600
    with serve.unix(tmp_path / "s"):
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_tokens_are_compared_whole() -> None:
    known = auth.FixedTokens({"secret": auth.ADMIN})
    assert known.authenticate("secret") is auth.ADMIN
    for wrong in ("", "secre", "secret1", "s\udcffcret"):
        assert known.authenticate(wrong) is None
    assert auth.bearer("Bearer  x ") == "x"
    assert auth.bearer("Basic x") == ""
