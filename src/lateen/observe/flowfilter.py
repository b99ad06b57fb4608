"""Which lines of a capture to show. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.observe.flowlines import Flow, place

QUIET_PORTS = frozenset({15000, 15020, 15021, 15090})
"""Envoy's admin, health and statistics ports: not shown unless asked for by number."""


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which flows to show. Names are matched as prefixes of `namespace/pod`, or of `pod`."""

    tls: str = ""
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    status: str = ""
    port: int = 0
    leg: str = "all"

    def keeps(self, flow: Flow, names: Mapping[str, str]) -> bool:
        """Whether to show a flow; `names` maps addresses to `namespace/pod`."""
        ports = {int(end.rpartition(":")[2]) for end in (flow.client, flow.server)}
        if (self.port not in ports) if self.port else bool(ports & QUIET_PORTS):
            return False
        if self.leg != "all" and flow.leg != self.leg:
            return False
        if self.tls and flow.tls != self.tls:
            return False
        if self.status and not _status_matches(flow.status, self.status):
            return False
        ends = (
            (self.sources, place(flow, flow.client, names)),
            (self.targets, place(flow, flow.server, names)),
        )
        return all(not wanted or _named(found, wanted) for wanted, found in ends)


def _named(found: str, wanted: tuple[str, ...]) -> bool:
    return any(
        found.startswith(each) or found.partition("/")[2].startswith(each) for each in wanted
    )


def _status_matches(status: int, wanted: str) -> bool:
    """`503` is itself; `5+` and `5xx` are all that begin with 5, as hubble has it."""
    if wanted.endswith(("+", "xx")):
        return str(status).startswith(wanted.rstrip("+x"))
    return str(status) == wanted
