"""Patches of clusters. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.compiler.backend import names
from lateen.compiler.backend.patches.merge import merge, merge_packed
from lateen.compiler.backend.patches.patch import MERGING, Trial, Wanted

Services = Mapping[str, frozenset[str]]
"""The hosts that an inbound cluster serves, by its name."""
_INBOUND, _OUTBOUND = "inbound", "outbound"


def is_inbound(name: str) -> bool:
    """Whether a cluster is of a sidecar's server side."""
    return name == names.INBOUND_PASSTHROUGH_CLUSTER or name.startswith(f"{_INBOUND}|")


def patched(cluster: Any, context: str, trial: Trial, services: Services) -> Any | None:
    """Change one cluster in place and return it; None if it is taken away."""
    for wanted in trial.of("CLUSTER", context):
        if not _fits(cluster.name, wanted, services):
            continue
        if wanted.operation == "REMOVE":
            trial.did(wanted)
            return None
        if wanted.operation in MERGING:
            _merge(cluster, wanted, trial)
    return cluster


def _fits(name: str, wanted: Wanted, services: Services) -> bool:
    asked = wanted.part("cluster")
    if not asked:
        return True
    if asked.get("name"):
        return bool(asked["name"] == name)
    direction, _, rest = name.partition("|")
    port, _, rest = rest.partition("|")
    subset, _, host = rest.partition("|")
    if direction == _INBOUND:
        served = services.get(name, frozenset())
        wrong = bool(asked.get("service")) and asked["service"] not in served
    else:
        wrong = bool(asked.get("service")) and asked["service"] != host
    if wrong or (asked.get("subset") and asked["subset"] != subset):
        return False
    number = asked.get("portNumber") or 0
    return not number or port == str(number)


def _merge(cluster: Any, wanted: Wanted, trial: Trial) -> None:
    """A transport socket is merged into the one of its name, and with it nothing else is."""
    value = wanted.value
    if value.HasField("transport_socket"):
        socket = value.transport_socket
        if cluster.transport_socket_matches:
            for each in cluster.transport_socket_matches:
                if each.transport_socket.name == socket.name:
                    if merge_packed(each.transport_socket.typed_config, socket.typed_config):
                        trial.did(wanted)
                    return
            return
        if cluster.HasField("transport_socket"):
            trial.did(wanted)
            own = cluster.transport_socket
            if own.name != socket.name:
                own.CopyFrom(socket)
            else:
                merge_packed(own.typed_config, socket.typed_config)
            return
    trial.did(wanted)
    merge(cluster, value, replace_lists=wanted.operation == "MERGE_AND_REPLACE_LIST")
