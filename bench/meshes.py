"""Manifests of meshes of a chosen size."""

import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def service(name: str, app: str, port: int = 80) -> Json:
    """Return a Service on a port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": app}, "ports": [{"port": port, "name": "http"}]},
    }


def deployment(name: str, image: str = "nginx", port: int = 80) -> Json:
    """Return a Deployment of one pod with a sidecar."""
    labels = {"app": name}
    container = {"name": "web", "image": image, "ports": [{"containerPort": port}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def gateway() -> Json:
    """Return a Gateway for every host on port 80."""
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge"},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }


def edge_route(version: str, host: str = "web-0", namespace: str = "default") -> Json:
    """Return the VirtualService of the edge, which marks its answers with a version."""
    route = {
        "route": [{"destination": {"host": host, "port": {"number": 80}}}],
        "headers": {"response": {"set": {"x-version": version}}},
    }
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "edge", "namespace": namespace},
        "spec": {"hosts": ["*"], "gateways": ["edge"], "http": [route]},
    }


def mesh_route(name: str, timeout: str = "5s") -> Json:
    """Return a VirtualService inside the mesh."""
    route = {"route": [{"destination": {"host": name}}], "timeout": timeout}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"hosts": [name], "http": [route]},
    }


def echo() -> list[Json]:
    """Return what answers at the edge's `/echo` with the request that it got: Deployment, Service
    and route."""
    route = {
        "match": [{"uri": {"prefix": "/echo"}}],
        "route": [{"destination": {"host": "echo", "port": {"number": 8080}}}],
    }
    return [
        deployment("echo", "jmalloc/echo-server", 8080),
        service("echo", "echo", 8080),
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "echo", "namespace": "default"},
            "spec": {"hosts": ["*"], "gateways": ["edge"], "http": [route]},
        },
    ]


def denial(path: str) -> Json:
    """Return an AuthorizationPolicy that refuses one path of the echo server's."""
    rule = {"to": [{"operation": {"paths": [path]}}]}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "echo", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "echo"}},
            "action": "DENY",
            "rules": [rule],
        },
    }


def peers(mode: str) -> Json:
    """Return a PeerAuthentication of the echo server's workload."""
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "echo", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "echo"}}, "mtls": {"mode": mode}},
    }


def small(directory: Path, *, services: int = 20, workloads: int = 9) -> Path:
    """Write a mesh: so many Services on so many workloads, and the edge; with the gateway's, one
    proxy more than workloads."""
    made = [gateway(), edge_route("0")]
    made += [deployment(f"web-{n}") for n in range(workloads)]
    made += [service(f"web-{n}", f"web-{n % workloads}") for n in range(services)]
    text = "\n---\n".join(json.dumps(each) for each in made)
    (directory / "mesh.yaml").write_text(text, encoding="utf-8")
    return directory
