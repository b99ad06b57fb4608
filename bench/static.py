"""A lab's proxies as static configurations: what a person would have written by hand, and at once
ready. Rendered once by the compiler; discovery is replaced by the resources themselves."""

import datetime
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lateen.app.api import envoyjson
from lateen.app.lab import meshsettings, settings
from lateen.base.clock import SystemClock
from lateen.cli.connection import api as lab_api
from lateen.compiler.backend import bootstrap
from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend.assemble import Frontend
from lateen.compiler.ir.proxy import MeshSettings, ProxyView
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.model.schema import decode, kinds
from lateen.model.snapshot import Change, Snapshot
from lateen.pki.authority import Authority

Json = dict[str, Any]
_ALS = "envoy.access_loggers.http_grpc", "envoy.access_loggers.tcp_grpc"


def snapshot(api: lab_api.Api) -> Snapshot:
    """Return everything the compiler reads, from a running lab."""
    changes = []
    for info in kinds.KINDS.values():
        if not info.compiled:
            continue
        listed = api.request("GET", lab_api.collection_path(info, "")).body
        for item in listed["items"]:
            body = {"apiVersion": info.api_version, "kind": info.kind, **item}
            made = decode.decode(info, body, strict=False).object
            meta = item["metadata"]
            changes.append(Change(info.resource, meta.get("namespace", ""), meta["name"], made))
    return Snapshot().with_changes(changes)


def views(found: Snapshot, mesh: MeshSettings) -> Mapping[str, ProxyView]:
    """Return the view of every proxy by pod name."""
    built = Frontend(mesh).build(found)
    return {ref.name: built.view(ref) for ref in built.proxies()}


def configurations(api: lab_api.Api, lab_settings: settings.LabSettings) -> dict[str, Json]:
    """Return a complete static bootstrap for every proxy, by pod name, its keys included."""
    mesh = meshsettings.mesh_settings(lab_settings)
    renderer = Renderer(system_roots=meshsettings.system_roots())
    with tempfile.TemporaryDirectory() as directory:
        authority = Authority.open(Path(directory), SystemClock(), mesh.trust_domain)
        made = {}
        for name, view in views(snapshot(api), mesh).items():
            secrets = _secrets(authority, view.node.identity)
            made[name] = _static(view, renderer.render(view), mesh, secrets)
        return made


def _secrets(authority: Authority, identity: str) -> list[Json]:
    svid = authority.issue(identity, datetime.timedelta(days=1).total_seconds())
    return [
        {
            "name": "default",
            "tls_certificate": {
                "certificate_chain": {"inline_string": svid.chain_pem},
                "private_key": {"inline_string": svid.key_pem},
            },
        },
        {
            "name": "ROOTCA",
            "validation_context": {"trusted_ca": {"inline_string": authority.root_pem}},
        },
    ]


def _static(view: ProxyView, found: ResourceSet, mesh: MeshSettings, secrets: list[Json]) -> Json:
    def every(kind: ResourceType) -> dict[str, Json]:
        return {n: envoyjson.as_json(kind, r.body) for n, r in found.of(kind).items()}

    routes, endpoints = every(ResourceType.ROUTE), every(ResourceType.ENDPOINT)
    clusters = [_cluster(c, endpoints) for c in every(ResourceType.CLUSTER).values()]
    listeners = [_plain(one, routes) for one in every(ResourceType.LISTENER).values()]
    body = bootstrap.bootstrap(view.node, mesh, "/nowhere")
    del body["dynamic_resources"]
    layers = body["layered_runtime"]["layers"]
    body["layered_runtime"]["layers"] = [layer for layer in layers if "rtds_layer" not in layer]
    fixed = body["static_resources"]
    fixed["clusters"] = [*fixed["clusters"], *(_plain(c, routes) for c in clusters)]
    fixed["listeners"] = [*fixed["listeners"], *listeners]
    fixed["secrets"] = secrets
    return body


def _cluster(cluster: Json, endpoints: Mapping[str, Json]) -> Json:
    discovered = cluster.pop("eds_cluster_config", None)
    if discovered is None:
        return cluster
    name = discovered.get("service_name") or cluster["name"]
    empty = {"cluster_name": cluster["name"], "endpoints": []}
    return {**cluster, "type": "STATIC", "load_assignment": endpoints.get(name, empty)}


def _plain(value: Any, routes: Mapping[str, Json]) -> Any:
    """Put the resources where discovery was asked for, and leave our own reporting out."""
    if isinstance(value, list):
        return [_plain(item, routes) for item in value if not _reports(item)]
    if not isinstance(value, dict):
        return value
    made = {k: _plain(v, routes) for k, v in value.items() if k not in ("rds", "sds_config")}
    if "rds" in value:
        made["route_config"] = routes[value["rds"]["route_config_name"]]
    return made


def _reports(item: Any) -> bool:
    return isinstance(item, dict) and item.get("name") in _ALS
