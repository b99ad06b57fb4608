"""Scheduling on the one node there is: bind what fits, say why something does not. Pure."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from lateen.base import clock
from lateen.base.jsonvalue import JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.workloads import conditions

_NAME = "default-scheduler"


class Scheduler(msgspec.Struct, frozen=True):
    """Binds pods to a node by name, before that node reports itself, so that nothing waits."""

    node: str

    def reconcile(
        self, key: controller.Name, known: cache.Cache, now: datetime
    ) -> actions.Reconciled:
        """Bind a pod that has no node."""
        pod = known.get("pods", *key)
        if pod is None or not self._waits(pod):
            return actions.NOTHING
        node = known.get("nodes", "", self.node)
        obstacle = _obstacle(pod, node)
        if obstacle:
            return self._refuse(pod, obstacle, now)
        stamp = clock.rfc3339(now)
        scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp}
        status = {**fields.status(pod), "conditions": [{"lastProbeTime": None, **scheduled}]}
        spec = {**fields.spec(pod), "nodeName": self.node}
        where = f"{fields.namespace(pod)}/{fields.name(pod)}"
        text = f"Successfully assigned {where} to {self.node}"
        return actions.Reconciled(
            (
                actions.Update("pods", {**pod, "spec": spec, "status": status}),
                actions.Note(pod, "Scheduled", text),
            )
        )

    def _waits(self, pod: JsonView) -> bool:
        spec = fields.spec(pod)
        return (
            not spec.get("nodeName")
            and spec.get("schedulerName", _NAME) == _NAME
            and not spec.get("schedulingGates")
            and not fields.dying(pod)
        )

    def _refuse(self, pod: JsonView, obstacle: str, now: datetime) -> actions.Reconciled:
        text = f"0/1 nodes are available: 1 {obstacle}."
        new = conditions.condition("PodScheduled", False, "Unschedulable", text, now)
        del new["lastUpdateTime"]
        old = fields.status(pod).get("conditions") or ()
        settled = conditions.settled(old, new)
        if settled == list(old):
            return actions.NOTHING
        status = {**fields.status(pod), "conditions": settled}
        return actions.Reconciled(
            (
                actions.SetStatus("pods", fields.with_status(pod, status)),
                actions.Note(pod, "FailedScheduling", text, "Warning"),
            )
        )

    def _all_waiting(
        self, change: cache.ObjectChange, known: cache.Cache
    ) -> Iterable[controller.Name]:
        """A changed node may fit pods that it did not fit before."""
        if change.key.name == self.node:
            for pod in known.all("pods"):
                if self._waits(pod):
                    yield (fields.namespace(pod), fields.name(pod))

    def controller(self) -> controller.Controller:
        """Return the row for the loop."""
        return controller.Controller(
            name=_NAME,
            watches={"pods": controller.itself, "nodes": self._all_waiting},
            reconcile=self.reconcile,
        )


def _obstacle(pod: JsonView, node: JsonView | None) -> str:
    """Return why the pod does not fit the node; a node that has not reported yet fits."""
    if node is None:
        return ""
    wanted = fields.spec(pod).get("nodeSelector") or {}
    if not wanted.items() <= fields.labels(node).items():
        return "node(s) didn't match Pod's node affinity/selector"
    if fields.spec(node).get("unschedulable") and not _tolerates(pod):
        return "node(s) were unschedulable"
    return ""


def _tolerates(pod: JsonView) -> bool:
    """Tell whether a cordoned node does not keep the pod off, as it does not a DaemonSet's."""
    cordoned = "node.kubernetes.io/unschedulable"
    tolerations = fields.spec(pod).get("tolerations") or ()
    return any(
        one.get("operator") == "Exists" and one.get("key") in (cordoned, "", None)
        for one in tolerations
    )
