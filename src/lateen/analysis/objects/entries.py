"""ServiceEntries that no connection can be told to belong to, or that disagree. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import protocols
from lateen.model.istio import networking_entry
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.snapshot import Snapshot

_ENTRIES = "serviceentries.networking.istio.io"
_BYTES = ("", "TCP")


def findings(snapshot: Snapshot, *, automatic: bool) -> Iterator[Diagnostic]:
    """Yield what is said of ServiceEntries. `automatic` is whether proxies answer DNS and give
    addresses to entries that have none."""
    entries = sorted(snapshot.of(_ENTRIES).values(), key=precedence.age)
    for obj in entries:
        if not obj.spec.addresses and not automatic:
            yield from _unaddressed(obj)
    yield from _disagreements(entries)


def _unaddressed(obj: networking_entry.ServiceEntry) -> Iterator[Diagnostic]:
    for index, port in enumerate(obj.spec.ports):
        if port.protocol.upper() in _BYTES:
            source = precedence.source("ServiceEntry", obj, f"spec.ports[{index}]")
            yield make("IST0134", source, port=port.number)


def _disagreements(entries: list[networking_entry.ServiceEntry]) -> Iterator[Diagnostic]:
    """One host and port with two protocols: the oldest entry's counts."""
    named: defaultdict[tuple[str, int], dict[str, str]] = defaultdict(dict)
    sources = {}
    for obj in entries:
        for host in obj.spec.hosts:
            for index, port in enumerate(obj.spec.ports):
                name = f"{obj.metadata.namespace}/{obj.metadata.name}"
                spoken = protocols.named(port.protocol or "TCP").value
                named[host, port.number].setdefault(name, spoken)
                at = f"spec.ports[{index}].protocol"
                sources[host, port.number, name] = precedence.source("ServiceEntry", obj, at)
    for (host, number), spoken_by in named.items():
        if len(set(spoken_by.values())) < 2:
            continue
        for name in spoken_by:
            yield make(
                "IST0177",
                sources[host, number, name],
                entries=", ".join(spoken_by),
                host=host,
                port=number,
                protocols=", ".join(dict.fromkeys(spoken_by.values())),
            )
