"""Nothing is ever silently ignored: a field of a compiled kind that is set changes what some proxy
is told, or a finding at its place says that it does not.

The fields come from the schema, so one that is added is held to this at once. `bases` holds
meshes in which fields can act; each must act in one of them.
"""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import assemble, offline, versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.output import ResourceType
from lateen.model import snapshot
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.schema import decode, describe, fieldpath, kinds
from lateen.model.schema.kindinfo import KindInfo

COMPILED = [
    info for info in kinds.KINDS.values() if info.is_istio and info.compiled and info.acted_on
]

VALUES: dict[str, Any] = {
    "integer": 7,
    "number": 7.5,
    "boolean": True,
    "string": "other",
    "any": {"other": "thing"},
    "duration": "7s",
}
"""What a field is set to, by type: nothing that is a default."""

SPECIAL: dict[str, Any] = {
    "patch.operation": "REMOVE",
    "match.proxy": {"proxyVersion": "^9"},
    "match.cluster": {"name": "other"},
    "match.listener": {"name": "other"},
    "match.routeConfiguration": {"name": "other"},
    "exportTo": "other",
    "addresses": "10.9.9.10",
    "egress.hosts": "./other.default.svc.cluster.local",
    "egress.port.number": 81,
    "egress.port.protocol": "TCP",
    "ingress.port.protocol": "TCP",
    "defaultEndpoint": "127.0.0.1:7",
    "servers.port.protocol": "TCP",
    "servers.hosts": "other.example.com",
    "distribute.from": "r2/*",
    "distribute.to": 30,
    "failover.from": "r2",
    "failover.to": "r3",
    "localityLbSetting.enabled": False,
    "enableIstioTags": False,
    "useRequestIdForTraceSampling": False,
    "redirectCode": 302,
    "grpcStatus": "CANCELLED",
    "retryOn": "5xx",
    "maglev.tableSize": 7,
    "match.gateways": "plain",
    "http.match.port": 80,
    "proxyProtocol.version": "V2",
    "tunnel.protocol": "POST",
    "pBlocks": "10.2.0.0/16",
    "operation.ports": "8081",
    "operation.notPorts": "8081",
    "when.key": "source.namespace",
    "when.values": "10.3.0.1",
    "when.notValues": "10.3.0.1",
    "sniHosts": "other.example.com",
    "destinationSubnets": "10.1.0.0/16",
    "caCertificates": "/other.pem",
    "string": "b3RoZXI=",
    "bytes": "b3RoZXI=",
    "derivePort": "FROM_REQUEST_PORT",
    "cipherSuites": "AES128-SHA",
}
"""What single fields are set to instead, by the end of their path."""

SAYS_SO = {"LTN0010", "LTN0062", "LTN0037", "LTN0038"}
"""Findings that say of a field, and all within, that it does not act."""

NAMES = {
    ("Gateway", "servers[].name"),
    ("ServiceEntry", "hosts[]"),
    ("Sidecar", "ingress[].port.name"),
    ("Sidecar", "egress[].port.name"),
    ("RequestAuthentication", "jwtRules[].timeout"),
}
"""Fields that no proxy is told of: a name for the reader, or how long the control plane waits; kind
and path."""


class Base:
    """A mesh of which one object at a time is changed, and which is built again after each change:
    that it is then what one built anew would be is `test_incremental`'s to hold."""

    def __init__(self, text: str) -> None:
        self.bodies = [body for body in yaml.safe_load_all(text) if body]
        self.whole = offline.complete(snapshot.of_bodies(self.bodies))
        self.frontend = assemble.Frontend(MeshSettings(features=versions.features()))
        self.renderer = Renderer()

    def of(self, kind: str) -> list[int]:
        """Return the places of the objects of a kind."""
        return [place for place, body in enumerate(self.bodies) if body["kind"] == kind]

    def told(self, info: KindInfo, body: dict[str, Any]) -> tuple[Any, tuple[Diagnostic, ...]]:
        """Return what the proxies are told and what is found, with one object replaced."""
        (((namespace, name), made),) = snapshot.of_bodies([body]).of(info.resource).items()
        assert (namespace, name) in self.whole.of(info.resource)
        change = snapshot.Change(info.resource, namespace, name, made)
        mesh = self.frontend.build(self.whole.with_changes([change]))
        told = {}
        for ref in mesh.proxies():
            resources = self.renderer.render(mesh.view(ref))
            for kind in ResourceType:
                for name, resource in resources.of(kind).items():
                    told[ref, kind, name] = resource.body
        return told, mesh.diagnostics


BASES = [
    Base(file.read_text()) for file in sorted((Path(__file__).parent / "bases").glob("*.yaml"))
]

Path_ = tuple[str, ...]
"""Steps to a field; `[]` and `{}` stand for an item of a list and of a map."""


def leaves(node: describe.Schema, path: Path_) -> Iterator[tuple[Path_, Any]]:
    """Return every field that holds a plain value, and what to set it to."""
    if node.type == "array" and node.items is not None:
        yield from leaves(node.items, (*path, "[]"))
    elif node.type == "map" and node.items is not None:
        yield from leaves(node.items, (*path, "{}"))
    elif node.type == "object" and node.fields:
        for name, child in node.fields.items():
            yield from leaves(child, (*path, name))
    else:
        yield path, value_for(node, path)


def value_for(node: describe.Schema, path: Path_) -> Any:
    words = ".".join(part for part in path if part not in ("[]", "{}"))
    for end, value in SPECIAL.items():
        if words.endswith(end):
            return value
    if node.enum:
        return node.enum[-1]
    if node.type == "object":
        return {}
    return VALUES["duration" if node.form == "duration" else node.type]


def container(body: Any, path: Path_, node: describe.Schema) -> tuple[Any, str]:
    """Make every container on the way to a field, with what each must have; return the last, and
    its JSON path."""
    here, place = body, ""
    for number, part in enumerate(path[:-1]):
        node = (node.items if part in ("[]", "{}") else node.fields.get(part)) or node
        steps = path[: number + 1]
        empty: Any = (
            []
            if node.type == "array"
            else {
                name: value_for(node.fields[name], (*steps, name))
                for name in node.required
                if name != path[-1] and node.fields[name].type not in ("object", "array", "map")
            }
        )
        if part == "[]":
            if not here:
                here.append(empty)
            here, place = here[0], f"{place}[0]"
        elif part == "{}":
            name = next(iter(here), "other")
            here, place = here.setdefault(name, empty), fieldpath.join(place, name)
        else:
            here, place = here.setdefault(part, empty), fieldpath.join(place, part)
    return here, place


def put(holder: Any, last: str, value: Any) -> None:
    if last == "[]":
        holder.append(value)
    elif last == "{}":
        holder[next(iter(holder), "other")] = value
    else:
        holder[last] = value


def acts(info: KindInfo, base: Base, at: int, path: Path_, value: Any) -> bool:
    """Whether setting the field changes anything in a mesh, or is spoken of."""
    tree = describe.of_kind(info)
    without = copy.deepcopy(base.bodies[at])
    holder, place = container(without, path, tree)
    if path[-1] in holder and holder[path[-1]] == value:
        del holder[path[-1]]
    with_it = copy.deepcopy(without)
    put(container(with_it, path, tree)[0], path[-1], value)
    if decode.decode(info, with_it).problems:
        return False
    told, found = base.told(info, with_it)
    enclosing = set(fieldpath.enclosing(fieldpath.join(place, path[-1])))
    if any(f.code in SAYS_SO and f.source.path in enclosing for f in found):
        return True
    before, known = base.told(info, without)
    return told != before or found != known


def fields() -> list[Any]:
    found = []
    for info in COMPILED:
        for path, value in leaves(describe.of_kind(info).fields["spec"], ("spec",)):
            name = ".".join(path[1:]).replace(".[]", "[]").replace(".{}", "{}")
            if (info.kind, name) not in NAMES:
                found.append(pytest.param(info, path, value, id=f"{info.kind}-{name}"))
    return found


@pytest.mark.parametrize(("info", "path", "value"), fields())
def test_a_field_that_is_set_acts_or_is_reported(info: KindInfo, path: Path_, value: Any) -> None:
    places = ((base, at) for base in BASES for at in base.of(info.kind))
    assert any(acts(info, base, at, path, value) for base, at in places), (
        f"{'.'.join(path)}: {value!r} changes nothing, and nothing says so"
    )


def test_every_compiled_kind_is_among_them() -> None:
    assert len(fields()) > 300
    for info in COMPILED:
        assert any(base.of(info.kind) for base in BASES), info.kind
        assert issubclass(info.struct or object, msgspec.Struct)
