"""What left a pod without a proxy, as one would have logged it: so `tap` and `edges` have it."""

from lateen.app.egress.relay import EgressConnection
from lateen.xds.als import AccessEntry, TlsFacts

CLUSTER = "egress"
"""Stands where a proxy names the cluster of Envoy that it chose."""
_CONNECTION_FAILURE, _REFUSED = "UF", "UH"


def entry(passage: EgressConnection) -> AccessEntry:
    """Return the entry about one connection."""
    flags = _REFUSED if passage.refused else _CONNECTION_FAILURE if passage.failure else "-"
    return AccessEntry(
        log="tcp",
        start=passage.start,
        duration=passage.seconds,
        downstream_remote=passage.client,
        downstream_local=passage.target,
        downstream_direct_remote=passage.client,
        upstream_remote=passage.target,
        upstream_local=passage.client,
        upstream_cluster=CLUSTER,
        route_name="",
        flags=flags,
        downstream=TlsFacts(),
        upstream=TlsFacts(),
        downstream_failure="",
        upstream_failure=passage.refused or passage.failure,
        termination="",
        connection_id=passage.client,
        upstream_connection_id=passage.client,
        attempts=1,
        bytes_received=passage.sent,
        bytes_sent=passage.received,
        tags={},
        open=passage.open or bool(flags != "-"),
    )
