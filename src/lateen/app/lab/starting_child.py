"""The other end of `app.lab.starting`: how a process that waits learns its arguments."""

import os
import socket

_LONGEST = 65536
_FILES = 8


def wait(file: int) -> tuple[list[str], list[int]]:
    """Return the arguments and the open files that come with them, the last taken as output.

    The others stay open for as long as this process lives: they are locks. Returns no arguments
    when whoever started this process ended without saying anything.
    """
    with socket.socket(fileno=file) as channel:
        message, files, _, _ = socket.recv_fds(channel, _LONGEST, _FILES, socket.MSG_CMSG_CLOEXEC)
    if not message:
        return [], []
    for standard in (1, 2):
        os.dup2(files[-1], standard)
    os.close(files.pop())
    return message.decode().split("\0"), files
