"""What the node says to the API server: pod statuses, its own Node object."""

import asyncio
import logging
from collections.abc import Callable

import msgspec

from lateen.base.clock import Clock, rfc3339
from lateen.base.jsonvalue import Json
from lateen.model import wellknown
from lateen.model.client import ApiClient, ApiError

log = logging.getLogger(__name__)

_RETRY = 0.2
_GATHER = 0.05
_GATHERED = 6
"""A status that nobody waits for is written when it has not changed for so many seconds, or after
so many times that."""
_LEASE = "leases.coordination.k8s.io"
LEASES = "kube-node-lease"
"""Namespace of the nodes' Leases."""
LEASE_SECONDS = 240
"""Four times what lies between two renewals, the proportion of a kubelet's."""


def urgent(before: Json, after: Json) -> bool:
    """Whether something waits for what changed in a pod's status: its address, which proxies are
    told; its readiness, which decides who gets traffic; its end."""
    return any(look(before) != look(after) for look in (_address, _readiness, _ended))


def _address(status: Json) -> str:
    return str(status.get("podIP", ""))


def _readiness(status: Json) -> bool:
    return wellknown.is_ready(status.get("conditions"))


def _ended(status: Json) -> bool:
    return status.get("phase") in wellknown.ENDED


class StatusWriter:
    """Writes one pod's status when it changed; changes that come meanwhile go together.

    The pod is known by its uid: one that has taken its name keeps its own status.
    """

    def __init__(
        self,
        client: ApiClient,
        clock: Clock,
        namespace: str,
        name: str,
        uid: str,
        render: Callable[[], Json],
    ) -> None:
        self._client = client
        self._clock = clock
        self._where = (namespace, name)
        self._uid = uid
        self._render = render
        self._dirty = asyncio.Event()
        self._written: Json = {}

    def changed(self) -> None:
        """Say that the status may differ now."""
        self._dirty.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._dirty.wait()
            for _ in range(_GATHERED):
                self._dirty.clear()
                if urgent(self._written, self._render()):
                    break
                await self._clock.sleep(_GATHER)
                if not self._dirty.is_set():
                    break
            self._dirty.clear()
            if not await self.write():
                self._dirty.set()
                await self._clock.sleep(_RETRY)

    async def write(self) -> bool:
        """Write now if there is something new; returns False when it has to be tried again."""
        status = self._render()
        if status == self._written:
            return True
        gone = {key: None for key in self._written if key not in status}
        patch = {"metadata": {"uid": self._uid}, "status": {**gone, **status}}
        try:
            await self._client.patch("pods", *self._where, patch, subresource="status")
        except ApiError as error:
            if error.code in (404, 409):  # it is gone, or another has its name
                return True
            log.warning("status of pod %s/%s: %s", *self._where, error.message)
            return False
        except OSError:
            return False
        self._written = status
        return True


class NodeFacts(msgspec.Struct, frozen=True):
    """What the Node object shows."""

    name: str
    ip: str
    cpus: int
    memory: int
    """Bytes."""
    kernel: str
    os_image: str
    architecture: str
    version: str
    """As kubelet's version: `v1.34.0+lateen`."""
    pods: int = 250
    boot_id: str = ""


def node_object(facts: NodeFacts) -> Json:
    """Return the Node without its status."""
    labels = {
        "kubernetes.io/hostname": facts.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": facts.architecture,
        "node-role.kubernetes.io/control-plane": "",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": facts.name, "labels": labels},
        "spec": {"podCIDR": "10.244.0.0/16", "podCIDRs": ["10.244.0.0/16"]},
    }


def node_status(facts: NodeFacts, now: str, since: str) -> Json:
    """Return the Node's status; `since` is when it became ready."""
    amounts = {
        "cpu": str(facts.cpus),
        "memory": f"{facts.memory // 1024}Ki",
        "pods": str(facts.pods),
    }
    return {
        "capacity": amounts,
        "allocatable": amounts,
        "addresses": [
            {"type": "InternalIP", "address": facts.ip},
            {"type": "Hostname", "address": facts.name},
        ],
        "conditions": [
            _node_condition(*row, now, since)
            for row in (
                ("MemoryPressure", "False", "KubeletHasSufficientMemory", "sufficient memory"),
                ("DiskPressure", "False", "KubeletHasNoDiskPressure", "no disk pressure"),
                ("PIDPressure", "False", "KubeletHasSufficientPID", "sufficient PID available"),
                (wellknown.READY, "True", "KubeletReady", "kubelet is posting ready status"),
            )
        ],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
        "nodeInfo": {
            "architecture": facts.architecture,
            "bootID": facts.boot_id,
            "containerRuntimeVersion": "lateen://1",
            "kernelVersion": facts.kernel,
            "kubeletVersion": facts.version,
            "kubeProxyVersion": "",
            "machineID": "",
            "systemUUID": "",
            "operatingSystem": "linux",
            "osImage": facts.os_image,
        },
    }


def _node_condition(
    kind: str, status: str, reason: str, message: str, now: str, since: str
) -> Json:
    return {
        "type": kind,
        "status": status,
        "reason": reason,
        "message": message if kind == wellknown.READY else f"kubelet has {message}",
        "lastHeartbeatTime": now,
        "lastTransitionTime": since,
    }


async def register(client: ApiClient, clock: Clock, facts: NodeFacts) -> None:
    """Make or refresh the Node. Raises ApiError, OSError."""
    body, now = node_object(facts), rfc3339(clock.now())
    try:
        await client.create("nodes", "", body)
        since = now
    except ApiError as error:
        if error.code != 409:
            raise
        known = await client.get("nodes", "", facts.name)
        conditions = (known.get("status") or {}).get("conditions") or ()
        since = next(
            (c["lastTransitionTime"] for c in conditions if c["type"] == wellknown.READY), now
        )
    status = {"status": node_status(facts, now, since)}
    await client.patch("nodes", "", facts.name, status, subresource="status")
    await _renew(client, facts, lease(facts, now.replace("Z", ".000000Z")))


def lease(facts: NodeFacts, now: str) -> Json:
    """Return the Lease by which a kubelet says that it lives; `now` has microseconds."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": facts.name, "namespace": LEASES},
        "spec": {
            "holderIdentity": facts.name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now,
        },
    }


async def _renew(client: ApiClient, facts: NodeFacts, body: Json) -> None:
    try:
        await client.patch(_LEASE, LEASES, facts.name, {"spec": body["spec"]})
    except ApiError as error:
        if error.code != 404:
            raise
        await client.create(_LEASE, LEASES, body)
