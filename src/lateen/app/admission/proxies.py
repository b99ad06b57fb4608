"""What the ConfigMap `istio` says of proxies, for the pods that are injected from then on."""

import msgspec
from msgspec.structs import replace

from lateen.controllers.injection import injector, webhooks
from lateen.model.istio import meshconfig
from lateen.store.api import Key, NotFoundError, Store

_CONFIGS = "proxyconfigs.networking.istio.io"
_OF_PROXIES = (
    "concurrency",
    "holdApplicationUntilProxyStarts",
    "terminationDrainDuration",
    "proxyMetadata",
    "proxyStatsMatcher",
)
"""What of `defaultConfig` proxies are started with."""
_KEY = Key("configmaps", meshconfig.ROOT_NAMESPACE, meshconfig.NAME)


class ProxyDefaults:
    """Settings of injection with the mesh's own on top, read again when they changed."""

    def __init__(self, store: Store, base: injector.InjectionSettings, usual: str = "") -> None:
        """`usual` is the configuration that says nothing but what `base` has: it is not read."""
        self._store = store
        self._base = self._found = base
        self._usual = self._text = usual

    def settings(self) -> injector.InjectionSettings:
        """Return what holds at this moment."""
        try:
            data = self._store.get(_KEY).value.get("data") or {}
        except NotFoundError:
            data = {}
        text = str(data.get(meshconfig.KEY, ""))
        if text != self._text:
            self._text = text
            self._found = self._base if text == self._usual else applied(self._base, text)
        written = tuple(each.value for each in self._store.list(_CONFIGS).entries)
        hooks = (each.value for each in self._store.list(webhooks.RESOURCE).entries)
        said = webhooks.tags(hooks, self._found.mesh.revision)
        tags = tuple(dict.fromkeys((*self._found.tags, *said)))
        if not written and tags == self._found.tags:
            return self._found
        return replace(self._found, proxy_configs=written, tags=tags)


def applied(base: injector.InjectionSettings, text: str) -> injector.InjectionSettings:
    """Return the settings of injection with a mesh configuration's trust domain and the statistics
    that every proxy keeps. What cannot be read counts as unset."""
    config = meshconfig.parse(text).config
    mesh = base.mesh
    if config.trust_domain:
        mesh = replace(mesh, trust_domain=config.trust_domain)
    said = msgspec.to_builtins(config.default_config) if config.default_config else {}
    default = {name: said[name] for name in _OF_PROXIES if said.get(name) is not None}
    merges = config.enable_prometheus_merge
    return replace(base, mesh=mesh, default_config=default, merge_metrics=merges)
