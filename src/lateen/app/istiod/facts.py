"""What istiod's endpoints tell of the control plane, as values. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.xds.resources import Config
from lateen.xds.status import ProxyStatus

CLUSTER = "Kubernetes"
"""The name of the one cluster, as proxies and istiod have it by default."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The control plane at one moment."""

    version: str
    """Istio's, with its patch."""
    revision: str
    pod: str
    """The name of the pod that stands for the plane."""
    statuses: tuple[ProxyStatus, ...]
    kinds: Mapping[str, str]
    """Of each proxy (`namespace/pod`) whether it is a sidecar or a router."""
    configs: Mapping[str, Config]
    """What each proxy should have."""
    objects: Mapping[str, tuple[JsonView, ...]]
    """What is stored, by resource: Istio's kinds, Services and ConfigMaps."""

    @property
    def connected(self) -> tuple[ProxyStatus, ...]:
        """The proxies that are connected, by name."""
        return tuple(status for status in self.statuses if status.connected)


def proxy_id(proxy: str) -> str:
    """Return Istio's name of a proxy: `pod.namespace`."""
    namespace, _, pod = proxy.partition("/")
    return f"{pod}.{namespace}"


def proxy_named(identity: str) -> str:
    """Return `namespace/pod` of Istio's name of a proxy."""
    pod, _, namespace = identity.partition(".")
    return f"{namespace}/{pod}"


def of_namespace(facts: Facts, namespace: str) -> Facts:
    """Return what concerns the proxies of one namespace: all that its accounts may see."""
    ours = f"{namespace}/"
    return msgspec.structs.replace(
        facts,
        statuses=tuple(each for each in facts.statuses if each.proxy.startswith(ours)),
        configs={name: each for name, each in facts.configs.items() if name.startswith(ours)},
        objects={},
    )
