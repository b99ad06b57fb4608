"""A container's standard streams: pipes, or a terminal."""

import os
import stat
from collections.abc import Iterable

from lateen.node.shim import root
from lateen.node.shim.protocol import ContainerSpec
from lateen.node.shim.spawn import Streams
from lateen.node.shim.walls.ids import Ids


def open_streams(
    spec: ContainerSpec, host: root.HostView, pod: str
) -> tuple[Streams, dict[str, int], list[int]]:
    """Open a container's streams: its ends, those the shim keeps, and those to close here."""
    if spec.tty:
        master, slave = root.open_terminal(host, pod, spec.uid)
        kept = {"stdin": -1, "stdout": master, "stderr": -1, "terminal": master}
        return Streams(slave, slave, slave, terminal=True), kept, [slave]
    out, out_inside = os.pipe()
    err, err_inside = os.pipe()
    stdin = -1
    if spec.stdin:
        stdin_inside, stdin = os.pipe()
    else:
        stdin_inside = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    kept = {"stdin": stdin, "stdout": out, "stderr": err, "terminal": -1}
    inside = [stdin_inside, out_inside, err_inside]
    give(inside, host.ids, spec)
    return Streams(stdin_inside, out_inside, err_inside), kept, inside


def give(pipes: Iterable[int], ids: Ids, spec: ContainerSpec) -> None:
    """Let a container's user open its streams anew, as `/dev/stdout`: they are its own then."""
    if not ids.first and not spec.uid:
        return
    for fd in pipes:
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.fchown(fd, ids.first + spec.uid, ids.first + spec.gid)
