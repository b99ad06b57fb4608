"""What is noticed in Sidecars. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.registry import Registry
from lateen.compiler.frontend.routing import imports, unsupported
from lateen.model.istio import networking_proxy
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.schema import kinds
from lateen.model.validation import codes

Found = Iterator[Diagnostic]

_ANY_PORT = "HTTP_PROXY"
"""The protocol of an egress listener that takes requests to any port."""
_SIDECARS = "sidecars.networking.istio.io"


def findings(
    obj: networking_proxy.Sidecar, registry: Registry, root: str
) -> tuple[Diagnostic, ...]:
    """Return what a Sidecar says without effect; `root` is the root namespace."""
    source = precedence.source("Sidecar", obj)
    return (
        *unsupported.unread(obj.spec, source.at("spec")),
        *codes.warnings(kinds.KINDS[_SIDECARS], obj),
        *_sockets(obj, source),
        *_upgrades(obj, source),
        *_nothing(obj, source, registry, root),
        *_portless(obj, source, registry, root),
    )


def _sockets(obj: networking_proxy.Sidecar, source: Source) -> Found:
    for index, listener in enumerate(obj.spec.ingress):
        at = source.at(f"spec.ingress[{index}]")
        if listener.bind and listener.capture_mode != "NONE":
            reason = "connections come by capture, and no socket is opened"
            yield make("IST0167", at.at("bind"), reason=reason)
        if listener.capture_mode == "NONE" and not listener.default_endpoint:
            number = listener.port.number if listener.port is not None else 0
            yield make("LTN0250", at, port=number)
    for index, egress in enumerate(obj.spec.egress):
        at = source.at(f"spec.egress[{index}]")
        if egress.bind.startswith(imports.UNIX):
            yield make("LTN0062", at.at("bind"), field="a socket by path", what="the listener")


def _upgrades(obj: networking_proxy.Sidecar, source: Source) -> Found:
    """Say that a server's limits do not make its application speak HTTP/2."""
    pools = [("spec.inboundConnectionPool", obj.spec.inbound_connection_pool)]
    pools += [
        (f"spec.ingress[{index}].connectionPool", listener.connection_pool)
        for index, listener in enumerate(obj.spec.ingress)
    ]
    for path, pool in pools:
        http = pool.http if pool is not None else None
        if http is not None and http.h2_upgrade_policy not in ("", "DEFAULT"):
            reason = "it is for clients: their DestinationRule says so"
            yield make("IST0167", source.at(f"{path}.http.h2UpgradePolicy"), reason=reason)


def _portless(
    obj: networking_proxy.Sidecar, source: Source, registry: Registry, root: str
) -> Found:
    """Say which egress listeners list services that are there, none of them with their port."""
    namespace = obj.metadata.namespace
    if namespace == root or not obj.spec.egress:
        return
    known = imports.translate(obj, namespace, source)
    for place, listener in enumerate(known.listeners):
        port = obj.spec.egress[place].port
        if port is None or not port.number or port.protocol.upper() == _ANY_PORT:
            continue
        listed = (key for key in registry.listed() if listener.admits(*key))
        found = [service for service in map(registry.at, listed) if service is not None]
        if found and not any(service.port(port.number) for service in found):
            at = source.at(f"spec.egress[{place}].port.number")
            yield make("LTN0251", at, port=port.number, count=len(found))


def _nothing(obj: networking_proxy.Sidecar, source: Source, registry: Registry, root: str) -> Found:
    """Say which hosts import no service that is there. One for all namespaces speaks of none; nor
    does one of the root namespace, where `.` is whoever asks."""
    namespace = obj.metadata.namespace
    listed = registry.listed()
    if namespace == root:
        return
    known = imports.translate(obj, namespace, source)
    for place, listener in enumerate(known.listeners if obj.spec.egress else ()):
        written = [h for h in obj.spec.egress[place].hosts if h.count("/") == 1]
        included = [h for h in written if not h.startswith("~")]
        for pattern, text in zip(listener.included.every, included, strict=True):
            if pattern.host == "*" or any(pattern.covers(*key) for key in listed):
                continue
            at = source.at(
                f"spec.egress[{place}].hosts[{obj.spec.egress[place].hosts.index(text)}]"
            )
            yield make("LTN0066", at, host=text)
