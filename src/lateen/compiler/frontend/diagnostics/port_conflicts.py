"""Ports on which an older service takes the connections of a younger one. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend.graph.registry import Registry
from lateen.compiler.frontend.registry import services
from lateen.compiler.ir.workload import Port, Protocol, Resolution, Service
from lateen.model.messages.diagnostics import Diagnostic, make


def of_service(own: Service | None, registry: Registry) -> Iterator[Diagnostic]:
    """Say which TCP ports of a service an older one has too: both listen on every address, since
    neither has one of its own, and of chains that match alike the first is the one.

    That concerns ServiceEntries without addresses and, before Istio 1.21, ExternalName Services.
    """
    if own is None or not _without_address(own):
        return
    pending = {port.number: port for port in own.ports if _plain(port)}
    for namespace, hostname in registry.listed():
        if (namespace, hostname) == own.key or not pending:
            return
        older = registry.seen(own.namespace, hostname)
        if older is None or older.namespace != namespace or not _without_address(older):
            continue
        if not services.visible(older, own.namespace):
            continue
        for number in [port.number for port in older.ports if _plain(port)]:
            if (mine := pending.pop(number, None)) is not None:
                yield make(
                    "LTN0049",
                    mine.source,
                    port=number,
                    host=own.hostname,
                    other=older.hostname,
                )


def _without_address(service: Service) -> bool:
    return not service.vips and (service.entry or service.resolution is Resolution.DNS)


def _plain(port: Port) -> bool:
    """Whether connections to it are told apart by neither a host in requests nor a server name."""
    return not (port.protocol.is_http or port.protocol.is_tls or port.protocol is Protocol.UDP)
