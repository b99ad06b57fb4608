"""Rewriting an app's probes, as Istio's injector does, so that they pass STRICT mutual TLS. Pure.

A probe that the kubelet sends comes without a client certificate. So it is turned towards the
agent of the pod, port 15020, which asks the app from inside the pod.
"""

import json
from collections.abc import Sequence

from lateen.base.jsonvalue import Json, JsonView

AGENT_PORT = 15020
PROBERS = "ISTIO_KUBE_APP_PROBERS"
"""The variable of istio-proxy that tells the agent what each path stands for."""
_PATHS = {"readinessProbe": "readyz", "livenessProbe": "livez", "startupProbe": "startupz"}


def rewritten(containers: Sequence[JsonView]) -> tuple[list[Json], str]:
    """Return the containers with their probes turned towards the agent, and the value of
    ISTIO_KUBE_APP_PROBERS (empty when no probe was rewritten)."""
    probers: Json = {}
    result = [_container(one, probers) for one in containers]
    return result, json.dumps(probers, separators=(",", ":")) if probers else ""


def _container(container: JsonView, probers: Json) -> Json:
    result = dict(container)
    for field, word in _PATHS.items():
        probe = container.get(field)
        if not probe:
            continue
        meant = _meant(probe, container)
        if meant is None:
            continue
        path = f"/app-health/{container.get('name')}/{word}"
        probers[path] = {**meant, "timeoutSeconds": probe.get("timeoutSeconds") or 1}
        kept = {
            key: value
            for key, value in probe.items()
            if key not in ("httpGet", "tcpSocket", "grpc")
        }
        result[field] = {**kept, "httpGet": {"path": path, "port": AGENT_PORT, "scheme": "HTTP"}}
    return result


def _meant(probe: JsonView, container: JsonView) -> Json | None:
    """Return what the agent shall ask, with named ports looked up; None for `exec`, which runs in
    the container anyway, and for what asks the agent already."""
    for kind in ("httpGet", "tcpSocket", "grpc"):
        action = probe.get(kind)
        if action is None:
            continue
        port = _number(action.get("port"), container)
        if port == AGENT_PORT:
            return None
        return {kind: {**action, "port": port}}
    return None


def _number(port: object, container: JsonView) -> object:
    if isinstance(port, int):
        return port
    for one in container.get("ports") or ():
        if one.get("name") == port:
            return one.get("containerPort")
    return int(port) if isinstance(port, str) and port.isdigit() else port
