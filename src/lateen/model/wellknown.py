"""Words that Kubernetes and Istio give a meaning, each said in this place only. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

PROXY: Final = "istio-proxy"
"""The container that a sidecar or a gateway's Envoy runs in."""
CLUSTER_DOMAIN: Final = "cluster.local"
"""The domain of Services, and Istio's trust domain where no other is set."""
SERVICE_NAME: Final = "kubernetes.io/service-name"
"""The label by which an EndpointSlice names its Service."""
READY: Final = "Ready"
"""The condition of pods and nodes that traffic and `kubectl wait` ask for."""
ENDED: Final = ("Succeeded", "Failed")
"""The phases of a pod that will run no more."""
BUILT_IN: Final = "lateen.dev/built-in"
"""The annotation of objects that stand for a part of Lateen, and says which."""
ISTIO_SYSTEM: Final = "istio-system"
"""Istio's own namespace, the root namespace of a mesh here."""


def has_ended(pod: Mapping[str, Any]) -> bool:
    """Whether a pod, as JSON, will run no more."""
    return (pod.get("status") or {}).get("phase") in ENDED


def is_ready(conditions: Iterable[Mapping[str, Any]] | None) -> bool:
    """Whether one of the conditions of a pod or a node, as JSON, says that it is ready."""
    return any(c.get("type") == READY and c.get("status") == "True" for c in conditions or ())


def stands_for_plane(pod: Mapping[str, Any]) -> bool:
    """Whether a pod, as JSON, stands for the control plane: no node runs it. Only istio-system has
    such pods, so that who may not write there cannot keep a pod from running elsewhere."""
    meta = pod.get("metadata") or {}
    return meta.get("namespace") == ISTIO_SYSTEM and BUILT_IN in (meta.get("annotations") or {})
