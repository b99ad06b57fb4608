"""What the paths of istiod's HTTP ports answer. Pure."""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qs

import msgspec

from lateen.app.istiod import dumps, facts as plane, sync_status
from lateen.base.jsonvalue import Json
from lateen.compiler.output import ResourceType
from lateen.model.istio import meshconfig

_JSON, _TEXT = "application/json", "text/plain; charset=utf-8"
_CONFIGS = ".istio.io"


class Answer(msgspec.Struct, frozen=True):
    """An answer of one of the paths."""

    body: bytes
    status: int = 200
    content_type: str = _JSON


def answer(facts: plane.Facts, target: str) -> Answer:
    """Answer a GET of a path with its query (`/debug/config_dump?proxyID=POD.NAMESPACE`)."""
    given, _, query = target.partition("?")
    path = "/" + given.strip("/")  # tools write `//version`
    asked = {name: values[-1] for name, values in parse_qs(query).items()}
    if path in _TEXTS:
        return Answer(_TEXTS[path](facts).encode(), content_type=_TEXT)
    name = path.removeprefix("/debug/")
    if path == "/debug":
        return Answer("\n".join(sorted(_DEBUG)).encode() + b"\n", content_type=_TEXT)
    if name == path or name not in _DEBUG:
        words = f"{path} is not served by Lateen's control plane: see /debug for what is\n"
        return Answer(words.encode(), 404, _TEXT)
    try:
        return Answer(dumps.as_text(_DEBUG[name](facts, asked)))
    except KeyError as error:
        return Answer(f"{error.args[0]}\n".encode(), 404, _TEXT)


def _version(facts: plane.Facts) -> str:
    return f"{facts.version}-lateen-Clean"


def _metrics(facts: plane.Facts) -> str:
    """Istio's own metrics, as far as they mean something here."""
    rows = {
        f'istio_build{{component="pilot",tag="{facts.version}"}}': 1,
        "pilot_xds": len(facts.connected),
        "pilot_services": len(facts.objects.get("services", ())),
        "pilot_virt_services": len(facts.objects.get(_VIRTUAL_SERVICES, ())),
    }
    lines = []
    for name, value in rows.items():
        lines += [f"# TYPE {name.partition('{')[0]} gauge", f"{name} {value}"]
    return "\n".join(lines) + "\n"


_VIRTUAL_SERVICES = "virtualservices.networking.istio.io"
_TEXTS: Mapping[str, Callable[[plane.Facts], str]] = {
    "/version": _version,
    "/metrics": _metrics,
    "/ready": lambda _: "",
    "/healthz/ready": lambda _: "",
}

_Asked = Mapping[str, str]


def _config_dump(facts: plane.Facts, asked: _Asked) -> object:
    proxy = _proxy(facts, asked)
    return dumps.as_json(facts.configs[proxy])


def _proxy(facts: plane.Facts, asked: _Asked) -> str:
    identity = asked.get("proxyID", "")
    proxy = plane.proxy_named(identity)
    if proxy not in facts.configs:
        raise KeyError(f"no proxy {identity!r}: name one as proxyID=POD.NAMESPACE")
    return proxy


def _clusters(_: plane.Facts, __: _Asked) -> object:
    return [{"id": plane.CLUSTER, "secretName": "", "syncStatus": "synced"}]


def _configs(facts: plane.Facts, _: _Asked) -> object:
    return [
        each
        for resource, found in sorted(facts.objects.items())
        if resource.endswith(_CONFIGS)
        for each in found
    ]


def _services(facts: plane.Facts, _: _Asked) -> object:
    rows = []
    for each in facts.objects.get("services", ()):
        meta, spec = each["metadata"], each.get("spec") or {}
        rows.append(
            {
                "Attributes": {
                    "Name": meta["name"],
                    "Namespace": meta["namespace"],
                    "LabelSelectors": spec.get("selector") or {},
                },
                "hostname": f"{meta['name']}.{meta['namespace']}.svc.cluster.local",
                "defaultAddress": spec.get("clusterIP", ""),
                "ports": [
                    {"name": port.get("name", ""), "port": port["port"]}
                    for port in spec.get("ports") or ()
                ],
            }
        )
    return rows


def _endpoints(facts: plane.Facts, asked: _Asked) -> object:
    """The endpoints that one proxy was told, or all of them, each cluster once."""
    wanted = [_proxy(facts, asked)] if "proxyID" in asked else sorted(facts.configs)
    found: dict[str, Json] = {}
    for proxy in wanted:
        for name, each in facts.configs[proxy].get(ResourceType.ENDPOINT, {}).items():
            if name not in found:
                found[name] = dumps.shown(each)
    return list(found.values())


def _mesh(facts: plane.Facts, _: _Asked) -> object:
    text = ""
    for each in facts.objects.get("configmaps", ()):
        meta = each["metadata"]
        if (meta["namespace"], meta["name"]) == (meshconfig.ROOT_NAMESPACE, meshconfig.NAME):
            text = (each.get("data") or {}).get(meshconfig.KEY, "")
    import yaml

    try:
        return yaml.load(text, Loader=yaml.CSafeLoader) or {}
    except yaml.YAMLError:
        return {}


def _resources(facts: plane.Facts, _: _Asked) -> object:
    return sorted(kind for kind in facts.objects if kind.endswith(_CONFIGS))


def _inject(facts: plane.Facts, _: _Asked) -> object:
    return {"revision": facts.revision, "built in": "Lateen injects by itself"}


_DEBUG: Mapping[str, Callable[[plane.Facts, _Asked], object]] = {
    "syncz": lambda facts, _: sync_status.as_json(facts),
    "adsz": lambda facts, _: sync_status.connections(facts, facts.connected),
    "config_dump": _config_dump,
    "clusterz": _clusters,
    "configz": _configs,
    "registryz": _services,
    "endpointz": _endpoints,
    "edsz": _endpoints,
    "mesh": _mesh,
    "resourcesz": _resources,
    "inject": _inject,
}
