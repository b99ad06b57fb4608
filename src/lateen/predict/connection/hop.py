"""A connection that a proxy has taken: who it is from, what of its TLS is known. Pure."""

from typing import Any

import msgspec

from lateen.model.meta import Source
from lateen.predict.connection.run import Layer, OpenedConnection
from lateen.predict.envoy import config, istio_metadata
from lateen.predict.envoy.config import Proxy
from lateen.predict.values.facts import PodFacts
from lateen.predict.values.request import Credential


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """Where a proxy is with a connection."""

    pod: PodFacts
    proxy: Proxy
    listener: Any
    chain: Any
    taken: OpenedConnection
    """As it was opened; `content` is what is inside TLS that ended here."""
    inbound: bool
    certificate: Credential | None = None
    """The client's, verified."""
    sni: str = ""
    layer: Layer | None = None
    """Of the TLS that ended here."""

    @property
    def name(self) -> str:
        """Who the proxy is."""
        return self.pod.name

    def chain_sources(self, *keys: str) -> tuple[Source, ...]:
        """Return the fields that the chain names under some keys."""
        return config.known(*(config.written(self.chain.metadata, key) for key in keys))

    def policy_source(self, policy: str) -> Source | None:
        """Return the field that a policy of the chain comes from."""
        return config.written(self.chain.metadata, policy) or istio_metadata.policy(policy)

    def policy_sources(self) -> tuple[Source, ...]:
        """Return the fields of all policies of the chain."""
        told = self.chain.metadata.filter_metadata.get(config.SOURCE_METADATA)
        names = sorted(told.fields) if told is not None else ()
        found = (config.written(self.chain.metadata, n) for n in names if n.startswith("ns["))
        return config.known(*found)
