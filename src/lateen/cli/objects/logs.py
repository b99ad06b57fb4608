"""`lateen logs`: what containers wrote, of one pod or of all that labels choose."""

import math
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import workloads
from lateen.cli.screen import findings
from lateen.model.client import ApiError
from lateen.model.schema import kinds

_TAIL_OF_MANY = 10
"""Last lines of each container where labels choose the pods, as kubectl has it."""
_LAST_LINES = 5
_FIELDS = ("initContainers", "containers", "ephemeralContainers")


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to print; names are kubectl's. `tail` of -1 is all, `since` is in seconds, 0 is all."""

    namespace: str = "default"
    selector: str = ""
    container: str = ""
    all_containers: bool = False
    follow: bool = False
    tail: int = -1
    since: float = 0.0
    previous: bool = False
    timestamps: bool = False
    prefix: bool = False


class ContainerLog(msgspec.Struct, frozen=True):
    """The log of one container."""

    pod: str
    container: str

    @property
    def prefix(self) -> bytes:
        """What stands before its lines where several are printed, as kubectl has it."""
        return f"[pod/{self.pod}/{self.container}] ".encode()


def logs(api: lab_api.Api, word: str, options: LogOptions) -> int:
    """The command; `word` names a pod or a workload, or is empty where labels choose."""
    if bool(word) == bool(options.selector):
        raise LabError("name a POD (or deploy/NAME), or choose pods with -l LABELS", exits.USAGE)
    if options.all_containers and options.container:
        raise LabError("leave out -c, or --all-containers", exits.USAGE)
    if options.selector and options.tail < 0:
        options = msgspec.structs.replace(options, tail=_TAIL_OF_MANY)
    streams = [
        ContainerLog(pod["metadata"]["name"], container)
        for pod in _pods(api, word, options)
        for container in _containers(pod, options)
    ]
    if not streams:
        exits.complain(f"No resources found in {options.namespace} namespace.")
        return exits.OK
    several = options.follow and len(streams) > 1
    return (_together if several else _in_turn)(api, streams, options)


def _pods(api: lab_api.Api, word: str, options: LogOptions) -> list[dict[str, Any]]:
    if word:
        return [workloads.pod_named(api, word, options.namespace)]
    path = lab_api.collection_path(kinds.KINDS["pods"], options.namespace)
    found = api.request("GET", path, query={"labelSelector": options.selector}).body["items"]
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def _containers(pod: Mapping[str, Any], options: LogOptions) -> list[str]:
    if options.all_containers:
        return [one["name"] for field in _FIELDS for one in pod["spec"].get(field) or ()]
    return [options.container or workloads.default_container(pod)]


def query(stream: ContainerLog, options: LogOptions) -> dict[str, str]:
    """Return the parameters with which a container's log is asked for."""
    made = {"container": stream.container}
    for name in ("follow", "previous", "timestamps"):
        if getattr(options, name):
            made[name] = "true"
    if options.tail >= 0:
        made["tailLines"] = str(options.tail)
    if options.since:
        made["sinceSeconds"] = str(max(1, math.ceil(options.since)))
    return made


def _lines(api: lab_api.Api, stream: ContainerLog, options: LogOptions) -> Iterator[bytes]:
    path = lab_api.object_path(kinds.KINDS["pods"], options.namespace, stream.pod)
    before = stream.prefix if options.prefix else b""
    for line in api.lines(f"{path}/log", query(stream, options)):
        yield before + line


def _in_turn(api: lab_api.Api, streams: Sequence[ContainerLog], options: LogOptions) -> int:
    """Print one log after the other; of several, one that cannot be had does not hide the rest."""
    code = exits.OK
    for stream in streams:
        try:
            for line in _lines(api, stream, options):
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
        except ApiError as error:
            if len(streams) == 1:
                raise
            exits.complain(exits.from_server(error))
            code = exits.FAILED
    return code


def _together(api: lab_api.Api, streams: Sequence[ContainerLog], options: LogOptions) -> int:
    """Print several logs as they grow, line by line, until all of them end."""
    lock = threading.Lock()
    failures: list[Exception] = []

    def follow(stream: ContainerLog) -> None:
        try:
            for line in _lines(api, stream, options):
                with lock:
                    sys.stdout.buffer.write(line if line.endswith(b"\n") else line + b"\n")
                    sys.stdout.buffer.flush()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=follow, args=(one,), daemon=True) for one in streams]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for thread in threads:
            thread.join(0.2)
        if any(isinstance(error, BrokenPipeError) for error in failures):
            break
    if failures:
        raise failures[0]
    return exits.OK


def last_lines(api: lab_api.Api) -> findings.LastLines:
    """Return what asks a lab for the last lines of a container; of one that never ran, none."""

    def ask(pod: Mapping[str, Any]) -> Sequence[str]:
        path = lab_api.object_path(kinds.KINDS["pods"], pod["namespace"], pod["name"]) + "/log"
        query = {"container": pod["container"], "tailLines": str(_LAST_LINES)}
        for run in ({"previous": "true"}, {}):
            try:
                found = [*api.lines(path, {**query, **run})]
            except ApiError:
                continue
            return [line.decode(errors="replace").rstrip("\n") for line in found]
        return ()

    return ask
