"""The way out of one lab, put together: policy, names, relay, and what is told of refusals."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path

from lateen.app.api import resolving
from lateen.app.egress import records
from lateen.app.egress.names import Lookup, PinnedNames, by_resolver, on_this_machine
from lateen.app.egress.policy import Policy
from lateen.app.egress.relay import EgressConnection, Passed, Relay, host_addresses
from lateen.app.lab.settings import LabSettings
from lateen.base.clock import Clock
from lateen.controllers.injection import sidecar
from lateen.model.messages import diagnostics
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef, Source
from lateen.store.api import Store
from lateen.xds.als import AccessEntry

log = logging.getLogger(__name__)

_MOST_TOLD = 20
"""Refused destinations that the lab's status names."""


def names(chosen: LabSettings) -> PinnedNames:
    """Return what answers for names outside: by `dnsForward`, or as the host itself looks up."""
    lookup: Lookup = on_this_machine
    if chosen.dns_forward:
        lookup = by_resolver(functools.partial(resolving.ask, chosen.dns_forward))
    return PinnedNames(lookup, _policy(chosen), host_addresses)


def relay(
    chosen: LabSettings, shim_socket: Path, node_ip: str, passed: Passed, clock: Clock
) -> Relay:
    """Return the relay of a lab."""
    return Relay(_policy(chosen), shim_socket, node_ip, passed, clock)


def _policy(chosen: LabSettings) -> Policy:
    return Policy(private=tuple(chosen.egress_private))


class EgressObserver:
    """Tells of what left: `tap` and `edges` of pods that have no proxy to do so, the lab's status
    of what was refused, once for each pod and target."""

    def __init__(
        self, store: Store, findings: list[Diagnostic], left: Callable[[str, AccessEntry], None]
    ) -> None:
        self._store, self._findings, self._left = store, findings, left
        self._told: set[tuple[ObjectRef, str]] = set()

    def passed(self, passage: EgressConnection) -> None:
        """Take note of a connection."""
        pod, proxied = self._pod(passage.client.rpartition(":")[0])
        if not proxied:
            self._left(f"{pod.namespace}/{pod.name}", records.entry(passage))
        if passage.refused:
            self._refused(pod, passage)

    def _refused(self, pod: ObjectRef, passage: EgressConnection) -> None:
        log.warning("%s to %s: refused: %s", pod, passage.target, passage.refused)
        key = (pod, passage.target)
        if key in self._told or len(self._told) >= _MOST_TOLD:
            return
        self._told.add(key)
        made = diagnostics.make("LTN0105", Source(pod), target=passage.target, why=passage.refused)
        self._findings.append(made)

    def _pod(self, address: str) -> tuple[ObjectRef, bool]:
        """Return who has an address, and whether a proxy of its own tells of what it sends."""
        for entry in self._store.list("pods").entries:
            if (entry.value.get("status") or {}).get("podIP") == address:
                spec = entry.value.get("spec") or {}
                every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
                proxied = any(one.get("name") == sidecar.PROXY for one in every)
                return ObjectRef("Pod", entry.key.namespace, entry.key.name), proxied
        return ObjectRef("Pod", "", address), False
