"""Run a command of the person's own inside the lab's root namespaces, as nsenter would."""

import contextlib
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from lateen.node.shim import syscalls

_KINDS = (("user", 0x10000000), ("mnt", 0x00020000), ("net", 0x40000000), ("pid", 0x20000000))


def shim_pid(socket_path: Path) -> int:
    """Return the process id of the lab's shim as this side sees it.

    The kernel keeps who listens on the socket, so no file has to be believed. Raises OSError when
    nobody listens.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.connect(str(socket_path))
        packed = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", packed)[0])


def run(socket_path: Path, argv: list[str]) -> int:
    """Run `argv` in the lab's user, mount, network and pid namespaces; returns its exit code,
    128 plus the signal's number when a signal ended it, 127 when it cannot be started."""
    pid = shim_pid(socket_path)
    own = os.stat("/proc/self/ns/user").st_ino
    opened = []
    for kind, flag in _KINDS:
        fd = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        if kind == "user" and os.fstat(fd).st_ino == own:
            os.close(fd)
            continue
        opened.append((fd, flag))
    directory = os.getcwd()
    for fd, flag in opened:
        syscalls.setns(fd, flag)
        os.close(fd)
    with contextlib.suppress(OSError):
        os.chdir(directory)
    child = os.fork()
    if child == 0:
        _become(argv)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _become(argv: list[str]) -> None:
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        sys.stderr.write(f"error: {argv[0]}: {error.strerror}\n")
        os._exit(127)
