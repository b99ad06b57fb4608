"""What is noticed in ServiceEntries and WorkloadEntries. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.diagnostics import port_conflicts
from lateen.compiler.frontend.graph.registry import Registry
from lateen.compiler.frontend.registry import entries
from lateen.compiler.frontend.routing import unsupported
from lateen.model.istio import networking_entry
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.schema import kinds
from lateen.model.validation import codes

Found = Iterator[Diagnostic]


def findings(obj: networking_entry.ServiceEntry, registry: Registry) -> tuple[Diagnostic, ...]:
    """Return what a ServiceEntry says without effect, or to another effect than it seems."""
    source = precedence.source("ServiceEntry", obj)
    return (
        *unsupported.unread(obj.spec, source.at("spec")),
        *codes.warnings(kinds.KINDS[_ENTRIES], obj),
        *_left_out(obj, source),
        *_shadowed(obj, source, registry),
        *_taken(obj, registry),
    )


def of_workload(obj: networking_entry.WorkloadEntry) -> tuple[Diagnostic, ...]:
    """Return what a WorkloadEntry says without effect."""
    source = precedence.source("WorkloadEntry", obj)
    unread = unsupported.unread(obj.spec, source.at("spec"))
    return (*unread, *_unix(obj.spec.address, source.at("spec.address")))


_ENTRIES = "serviceentries.networking.istio.io"


def _left_out(obj: networking_entry.ServiceEntry, source: Source) -> Found:
    if not entries.hosts_of(obj) and obj.spec.hosts:
        at, field = source.at("spec.resolution"), f"resolution {obj.spec.resolution}"
        yield make("LTN0062", at, field=field, what="the ServiceEntry")
    for index, endpoint in enumerate(obj.spec.endpoints):
        yield from _unix(endpoint.address, source.at(f"spec.endpoints[{index}].address"))


def _unix(address: str, at: Source) -> Found:
    if address.startswith(entries.UNIX):
        yield make("LTN0062", at, field="a Unix socket", what="the endpoint")


def _shadowed(obj: networking_entry.ServiceEntry, source: Source, registry: Registry) -> Found:
    """Say which ports an older object for the same host leaves without effect."""
    for hostname in entries.hosts_of(obj):
        service = registry.at((obj.metadata.namespace, hostname))
        if service is None or service.source.ref == source.ref:
            continue
        for index, port in enumerate(obj.spec.ports):
            known = service.port(port.number)
            if known is not None and known.source.ref == source.ref:
                continue
            if known is None or known.name != port.name:
                at = source.at(f"spec.ports[{index}]")
                yield make("LTN0065", at, port=port.number, host=hostname, other=service.source.ref)


def _taken(obj: networking_entry.ServiceEntry, registry: Registry) -> Found:
    for hostname in entries.hosts_of(obj):
        service = registry.at((obj.metadata.namespace, hostname))
        if service is not None and service.source.ref.name == obj.metadata.name and service.entry:
            yield from port_conflicts.of_service(service, registry)
