"""What the ConfigMap `istio` says of proxies, for the pods that are injected from then on."""

from msgspec.structs import replace

from lateen.controllers.injection import injector
from lateen.model.istio import meshconfig
from lateen.store.api import Key, NotFoundError, Store

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
        return self._found


def applied(base: injector.InjectionSettings, text: str) -> injector.InjectionSettings:
    """Return the settings of injection with a mesh configuration's trust domain and the statistics
    that every proxy keeps. What cannot be read counts as unset."""
    config = meshconfig.parse(text).config
    mesh = base.mesh
    if config.trust_domain:
        mesh = replace(mesh, trust_domain=config.trust_domain)
    matcher = config.default_config.proxy_stats_matcher if config.default_config else None
    if matcher is not None:
        asked = {
            "inclusionPrefixes": list(matcher.inclusion_prefixes),
            "inclusionSuffixes": list(matcher.inclusion_suffixes),
            "inclusionRegexps": list(matcher.inclusion_regexps),
        }
        mesh = replace(mesh, stats_matcher={name: each for name, each in asked.items() if each})
    return replace(base, mesh=mesh)
