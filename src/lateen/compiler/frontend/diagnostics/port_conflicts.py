"""Ports on which an older Service takes the connections of a younger one. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend.graph.inputs import Key
from lateen.compiler.frontend.graph.world import World
from lateen.compiler.frontend.registry import services
from lateen.compiler.ir.workload import Port, Protocol, Resolution, Service
from lateen.model.messages.diagnostics import Diagnostic, make


def of_service(key: Key, world: World) -> Iterator[Diagnostic]:
    """Say which TCP ports of an ExternalName an older one has too: before Istio 1.21 both listen on
    every address, since neither has one of its own, and of chains that match alike the first is
    the one."""
    own = _without_address(key, world)
    pending = {port.number: port for port in own.ports if _plain(port)} if own else {}
    if own is None or not pending:
        return
    for other in world.inputs.service_list.get(""):
        if other == key or not pending:
            return
        older = _without_address(other, world)
        if older is None or not services.visible(older, own.namespace):
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


def _without_address(key: Key, world: World) -> Service | None:
    service = world.service_of(key)
    return service if service is not None and service.resolution is Resolution.DNS else None


def _plain(port: Port) -> bool:
    """Whether connections to it are told apart by neither a host in requests nor a server name."""
    return not (port.protocol.is_http or port.protocol.is_tls or port.protocol is Protocol.UDP)
