"""Prometheus' text: what Envoy counts for Istio's metrics, under Istio's names and labels. Pure.

Envoy's logger of statistics counts by what it knows itself (`backend/listeners/metrics`). What
the labels say of workloads is put in here, by who has them.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import msgspec

UNKNOWN = "unknown"
PREFIX = "envoy_istio_"
_LINE = re.compile(r"(\w+)\{(.*)\} (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_RAW = frozenset({"cluster", "service", "peer", "removed", "le"})
"""Labels that Istio does not have so, and the one of buckets, which comes last."""
_TYPES = re.compile(r"(_bucket|_sum|_count)$")
_EMPTY = ("", "-")


class Workload(msgspec.Struct, frozen=True):
    """What labels say of one side."""

    name: str = UNKNOWN
    namespace: str = UNKNOWN
    app: str = UNKNOWN
    version: str = UNKNOWN
    canonical: str = UNKNOWN
    revision: str = UNKNOWN
    cluster: str = UNKNOWN

    def labels(self, side: str) -> dict[str, str]:
        """Return it as labels of `source` or `destination`."""
        return {
            f"{side}_workload": self.name,
            f"{side}_workload_namespace": self.namespace,
            f"{side}_app": self.app,
            f"{side}_version": self.version,
            f"{side}_cluster": self.cluster,
            f"{side}_canonical_service": self.canonical,
            f"{side}_canonical_revision": self.revision,
        }


Peers = Callable[[str], Workload | None]
"""Who a peer is: by its address, or by what an endpoint's metadata say of it."""


def labelled(text: str, own: Workload, peers: Peers) -> str:
    """Return Envoy's text with Istio's metrics as Istio has them, and the rest as it is.

    Entries that come to the same labels are added up.
    """
    rest: list[str] = []
    families: dict[str, str] = {}
    sums: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for line in text.splitlines():
        if line.startswith(f"# TYPE {PREFIX}"):
            _, _, name, kind = line.split()
            families[name.removeprefix("envoy_")] = kind
        elif found := _LINE.match(line) if line.startswith(PREFIX) else None:
            name, written, value = found.groups()
            name = name.removeprefix("envoy_")
            labels = istios(name, read_labels(written), own, peers)
            sums[name][_written(labels)] += float(value)
        else:
            rest.append(line)
    return "\n".join([*_told(families, sums), *rest, ""])


def merged(parts: Iterable[str]) -> str:
    """Return several texts as one; a family that several have is told by the first."""
    out: list[str] = []
    typed: set[str] = set()
    for part in parts:
        for line in part.splitlines():
            if line.startswith(("# TYPE ", "# HELP ")):
                head = " ".join(line.split()[1:3])
                if head in typed:
                    continue
                typed.add(head)
            if line and line != "# EOF":
                out.append(line)
    return "\n".join([*out, ""])


def read_labels(written: str) -> dict[str, str]:
    """Read what stands between the braces."""
    return {name: _ESCAPED.sub(_plain, value) for name, value in _LABEL.findall(written)}


def _plain(escaped: re.Match[str]) -> str:
    return "\n" if escaped[1] == "n" else escaped[1]


def istios(name: str, raw: Mapping[str, str], own: Workload, peers: Peers) -> dict[str, str]:
    """Return Istio's labels for one entry of Envoy's."""
    reporter = raw.get("reporter", "source")
    peer = peers(raw.get("peer", "")) or Workload()
    source, destination = (own, peer) if reporter == "source" else (peer, own)
    secured = raw.get("source_principal", "") not in _EMPTY
    policy = UNKNOWN if reporter == "source" else "mutual_tls" if secured else "none"
    found = {
        "reporter": reporter,
        **source.labels("source"),
        **destination.labels("destination"),
        **_service(raw, own if reporter == "destination" else None),
        "request_protocol": _protocol(name, raw),
        "connection_security_policy": policy,
        "response_flags": raw.get("response_flags") or "-",
    }
    if not name.startswith("istio_tcp_"):
        found["grpc_response_status"] = _grpc(raw)
    for label, value in raw.items():
        if label not in _RAW and label not in found:
            found[label] = UNKNOWN if value in _EMPTY else value
        elif label in found and label not in ("reporter", "response_flags", _GRPC_STATUS):
            found[label] = value
    for label in raw.get("removed", "").split(","):
        found.pop(label, None)
    if "le" in raw:
        found["le"] = raw["le"]
    return found


_GRPC_STATUS = "grpc_response_status"


def _grpc(raw: Mapping[str, str]) -> str:
    status = raw.get(_GRPC_STATUS, "")
    return "" if status in _EMPTY else status


def _protocol(name: str, raw: Mapping[str, str]) -> str:
    if name.startswith("istio_tcp_"):
        return "tcp"
    messages = name in ("istio_request_messages_total", "istio_response_messages_total")
    return "grpc" if messages or _grpc(raw) else "http"


def _service(raw: Mapping[str, str], own: Workload | None) -> dict[str, str]:
    """Return the service that was asked: the cluster's, or the cluster's name where it has none,
    such as PassthroughCluster."""
    try:
        told = json.loads(raw.get("service", ""))[0]
        host, name, namespace = told["host"], told["name"], told["namespace"]
    except (ValueError, LookupError, TypeError):
        cluster = raw.get("cluster", "")
        host, name = UNKNOWN, UNKNOWN if cluster in _EMPTY else cluster
        namespace = own.namespace if own is not None else UNKNOWN
    return {
        "destination_service": host,
        "destination_service_name": name,
        "destination_service_namespace": namespace,
    }


def _written(labels: Mapping[str, str]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _told(families: Mapping[str, str], sums: Mapping[str, Mapping[str, float]]) -> Iterable[str]:
    said: set[str] = set()
    for name, entries in sums.items():
        family = name if name in families else _TYPES.sub("", name)
        if family not in said and family in families:
            said.add(family)
            yield f"# TYPE {family} {families[family]}"
        for labels, value in entries.items():
            yield f"{name}{{{labels}}} {_number(value)}"


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
