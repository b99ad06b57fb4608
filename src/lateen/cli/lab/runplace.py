"""Where a process of `lateen run` stands in the mesh: a Deployment and Service of its own, or in
another Deployment's place."""

import contextlib
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import logs
from lateen.model import wellknown
from lateen.model.client import APPLY, ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.images import ProcessOrder

_IMAGE = "lateen.local/run"
_GROUPS = "/apis/networking.istio.io/v1"
_MARK = "lateen.dev/run"
_LOOK = 0.25
_RESTARTS = 2
"""After so many new starts nobody waits any more."""
_PROBE = "probe"
_MERGE = "application/merge-patch+json"


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted beside the command."""

    namespace: str
    ports: tuple[int, ...] = ()
    protocol: str = "http"
    """What the Service's ports are called by: Istio reads the protocol there."""
    instead_of: str = ""
    """Deployment whose place is taken."""
    workload_group: str = ""
    """WorkloadGroup whose labels, account and ports the process has."""
    env: Mapping[str, str] = {}
    forward: tuple[str, ...] = ()
    """Ports of the process on this machine, `PORT` or `HERE:PORT`."""
    watch: bool = False
    detach: bool = False
    seconds: float = 60.0


def target(api: lab_api.Api, options: RunOptions) -> dict[str, Any]:
    """Return the Deployment whose place is taken; empty if there is none. Raises LabError."""
    if not options.instead_of:
        return {}
    name = options.instead_of.rpartition("/")[2]
    return _found(api, f"{_deployments(options)}/{name}", f"deploy/{name}")


def group_template(api: lab_api.Api, options: RunOptions) -> dict[str, Any]:
    """Return the pod template that a WorkloadGroup stands for: its labels, its account, and its
    probe, under which a workload that is not healthy is no endpoint; empty if none is named. Raises
    LabError."""
    if not options.workload_group:
        return {}
    name = options.workload_group.rpartition("/")[2]
    path = f"{_GROUPS}/namespaces/{options.namespace}/workloadgroups/{name}"
    spec = _found(api, path, f"workloadgroup/{name}").get("spec") or {}
    entry, metadata = spec.get("template") or {}, spec.get("metadata") or {}
    labels = {**(metadata.get("labels") or {}), **(entry.get("labels") or {})}
    return {
        "metadata": {"labels": labels, "annotations": metadata.get("annotations") or {}},
        "spec": {"serviceAccountName": entry.get("serviceAccount") or ""},
        _PROBE: _probe(spec.get("probe") or {}),
    }


def _probe(probe: Mapping[str, Any]) -> dict[str, Any]:
    """Return a WorkloadGroup's probe as a container's: the fields have the same names. The loopback
    address of the machine, which Istio's agent asks, is the pod's own here."""
    found = dict(probe)
    for kind in ("httpGet", "tcpSocket"):
        if (found.get(kind) or {}).get("host") in ("localhost", "127.0.0.1"):
            found[kind] = {name: value for name, value in found[kind].items() if name != "host"}
    return found


def _found(api: lab_api.Api, path: str, words: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = api.request("GET", path).body
    except ApiError as error:
        raise LabError(f"{words}: {error.message}", exits.FAILED) from error
    return found


def _deployments(options: RunOptions) -> str:
    return f"/apis/apps/v1/namespaces/{options.namespace}/deployments"


class Place:
    """A process's objects in a lab. `instead` is the Deployment whose place it takes, if any;
    `group` the template of its WorkloadGroup, which Services and ServiceEntries select by labels.
    """

    def __init__(
        self,
        api: lab_api.Api,
        name: str,
        folder: str,
        options: RunOptions,
        instead: Mapping[str, Any],
        group: Mapping[str, Any],
    ) -> None:
        self._template = group or (instead.get("spec") or {}).get("template") or {}
        self._grouped = bool(group)
        self._api, self._folder = api, folder
        self._options, self._instead = options, instead
        self._name = name
        self.container = name
        self.deployment = f"{name}-run" if instead else name
        self.host = f"{name}.{options.namespace}"
        self.ports = options.ports

    def start(self, process: Mapping[str, Any]) -> None:
        """Run the process, in place of what ran before. Raises ApiError."""
        self._api.ask(contract.PROCESS, {"name": self._name, "command": process})
        root = _deployments(self._options)
        if self._instead:
            self._scale(0)
        elif self.ports and not self._grouped:
            path = f"/api/v1/namespaces/{self._options.namespace}/services/{self._name}"
            self._apply(path, self._service())
        self._apply(f"{root}/{self.deployment}", self._workload())

    def _scale(self, replicas: int) -> None:
        path = f"{_deployments(self._options)}/{self._instead['metadata']['name']}"
        body = {"spec": {"replicas": replicas}}
        self._api.request("PATCH", path, body=body, content_type=_MERGE)

    def _apply(self, path: str, body: Mapping[str, Any]) -> None:
        query = {"fieldManager": "lateen-run", "force": "true"}
        self._api.request("PATCH", path, query=query, body=body, content_type=APPLY)

    def _workload(self) -> dict[str, Any]:
        """Return the Deployment. Behind another's Services it has that one's labels and account."""
        metadata = self._template.get("metadata") or {}
        given = metadata.get("labels") or {"app": self._name}
        account = (self._template.get("spec") or {}).get("serviceAccountName")
        container = {
            "name": self._name,
            # Another tag is another pod: what ran before ends.
            "image": f"{_IMAGE}/{self._name}:{time.monotonic_ns()}",
            "workingDir": self._folder,
            "ports": [{"containerPort": port} for port in self.ports],
        }
        if probe := self._template.get(_PROBE):
            container["readinessProbe"] = probe
        spec = {"terminationGracePeriodSeconds": 2, "containers": [container]}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": self.deployment, "labels": {_MARK: self._name}},
            "spec": {
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"matchLabels": {_MARK: self._name}},
                "template": {
                    "metadata": {
                        "labels": {**given, _MARK: self._name},
                        "annotations": metadata.get("annotations") or {},
                    },
                    "spec": {**spec, "serviceAccountName": account} if account else spec,
                },
            },
        }

    def _service(self) -> dict[str, Any]:
        word = self._options.protocol
        ports = [
            {"name": f"{word}-{port}" if number else word, "port": port}
            for number, port in enumerate(self.ports)
        ]
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": self._name, "labels": {_MARK: self._name}},
            "spec": {"selector": {_MARK: self._name}, "ports": ports},
        }

    def pods(self) -> list[dict[str, Any]]:
        """Return the process's pods, the newest last."""
        path = f"/api/v1/namespaces/{self._options.namespace}/pods"
        query = {"labelSelector": f"{_MARK}={self._name}"}
        items = self._api.request("GET", path, query=query).body["items"]
        alive = [pod for pod in items if not pod["metadata"].get("deletionTimestamp")]
        return sorted(alive, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    def pod(self) -> str:
        """Return the name of the newest of them; empty if there is none."""
        return str(next(iter(self.pods()[-1:]), {"metadata": {"name": ""}})["metadata"]["name"])

    def await_ready(self) -> None:
        """Wait until the process runs. Raises LabError with what it said when it does not."""
        deadline = time.monotonic() + self._options.seconds
        last: dict[str, Any] = {}
        while time.monotonic() < deadline:
            for last in self.pods()[-1:]:
                if _ready(last):
                    return
                if why := _failed(last):
                    raise LabError(f"{self._name}: {why}{self._words(last)}", exits.FAILED)
            time.sleep(_LOOK)
        raise LabError(
            f"{self._name} was not ready in {self._options.seconds:g} s{self._words(last)}",
            exits.FAILED,
        )

    def _words(self, pod: Mapping[str, Any]) -> str:
        if not pod:
            return "; there is no pod: `lateen get events` tells why"
        asked = {**pod["metadata"], "container": self.container, "restarts": 1}
        return "".join(f"\n  {line}" for line in logs.last_lines(self._api)(asked))

    def leave(self) -> None:
        """Take the process out of the mesh, and give its place back."""
        space = self._options.namespace
        paths = [f"{_deployments(self._options)}/{self.deployment}"]
        if not (self._instead or self._grouped):
            paths.append(f"/api/v1/namespaces/{space}/services/{self._name}")
        with exits.uninterrupted():
            for path in paths:
                with contextlib.suppress(ApiError):
                    self._api.request("DELETE", path)
            with contextlib.suppress(ApiError):
                self._api.ask(contract.PROCESS, ProcessOrder(self._name))
            if self._instead:
                self._scale((self._instead.get("spec") or {}).get("replicas", 1))


def _ready(pod: Mapping[str, Any]) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == wellknown.READY and one["status"] == "True" for one in conditions)


def _failed(pod: Mapping[str, Any]) -> str:
    for one in (pod.get("status") or {}).get("containerStatuses") or ():
        waiting = (one.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in ("ErrImageNeverPull", "CreateContainerConfigError"):
            return str(waiting.get("message") or waiting["reason"])
        ended = (one.get("lastState") or {}).get("terminated") or {}
        if ended and one.get("restartCount", 0) >= _RESTARTS:
            return f"it ended with exit code {ended.get('exitCode')}, again and again"
    return ""
