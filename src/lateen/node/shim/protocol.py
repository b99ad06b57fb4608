"""What is said on the shim's socket: frames, requests and values. Pure; standard library only.

A frame is four bytes of length (big endian), then JSON. File descriptors ride along with the
first byte of their frame (SCM_RIGHTS); the frame's `fds` says how many are its own. A request
carries `id` and `op`; its answer the same `id` and `ok` or `error` (with `errno` and `step`). An
event has no `id`.

    prepare      {argv, rehearsal}: load a program once, and run it once with the command that
                 `rehearsal` is, if any, so that containers with its command become copies of
                 that process (`zygote`); where that cannot be, nothing is done
    ping         -> {version, pid, started}
    make_pod     {pod} -> one descriptor: the pod's new network namespace
    netns        {pod} -> one descriptor; the empty pod is the lab's own namespace
    remove_pod   {pod}: kills what runs in it, forgets it
    run          {handle, spec} -> {pid, started}; EEXIST when the handle was ever used
    exec         {handle, target, spec} + 3 descriptors, or none with `tty` -> {pid} + terminal
    attach       {handle, since, stdin} + 2 descriptors -> {stdin, tty} + standard input or
                 terminal, if `stdin` asks for it; the first client of a container with
                 `stdin_once` gets what was logged after the byte `since`
    kill         {handle, signal}: a command's whole process group
    forget       {handle}: drop the record of an ended process
    list         -> {pods, processes, zygote}: the last is a process id, or 0
    open_socket  {pod, family, type, protocol, mark} -> one descriptor
    subscribe    -> from now on `{event: "exit", process}` for every process that ends

Times are nanoseconds since 1970.
"""

import json
import struct
from typing import Any, NamedTuple

VERSION = 1
FRAME_LIMIT = 16 * 1024 * 1024
_HEADER = struct.Struct(">I")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Frame = dict[str, Any]


class BadFrame(ValueError):
    """The peer does not speak this protocol."""


class Mount(NamedTuple):
    """One mount of a container. With an empty source, a directory of the container's own that
    stays writable when its root is not."""

    source: str
    """A path that is the lab's own, or the person's: nothing in it is a container's."""
    target: str
    read_only: bool = False
    sub: str = ""
    """What of the source is mounted: looked up so that no link leads out of it."""


class ContainerSpec(NamedTuple):
    """All that the shim needs to start one container, or a command in one."""

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    """`NAME=value`, complete: nothing is inherited. A command without any has the container's."""
    cwd: str = ""
    """Made when it is missing. Empty: /, for a command the container's."""
    hostname: str = ""
    files: tuple[tuple[str, str], ...] = ()
    """Absolute path and text of files of the container's own, such as /etc/hosts."""
    mounts: tuple[Mount, ...] = ()
    masks: tuple[str, ...] = ()
    """Host directories that look empty from inside, should they lie below Lateen's own."""
    writable: tuple[str, ...] = ()
    """Directories that exist and can be written to, whoever owns them on the host."""
    log: str = ""
    """Log file; its directory is made. Empty: output is thrown away."""
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    capabilities: tuple[int, ...] | None = None
    """Numbers of the capabilities that processes may have at most; None sets no limit."""
    read_only_root: bool = False
    no_new_privileges: bool = False
    """Whether no program run later may have more rights than its parent."""
    memory: int = 0
    """Bytes that its processes may have together; 0 sets no limit."""
    layers: tuple[str, ...] = ()
    """Directories of an image, the uppermost first, which are its root; none: that of a stand-in,
    with the host's programs."""
    joins: str = ""
    """Handle of a running container whose process namespace is shared; empty: one of its own."""


class Process(NamedTuple):
    """A process that the shim started. `pid` is the shim's view of it."""

    handle: str
    pid: int
    state: str
    """`running` or `exited`."""
    started: int
    finished: int = 0
    code: int = 0
    """Exit status; 128 + signal when a signal ended it, as a shell says it."""
    signal: int = 0
    dropped: int = 0
    """Log lines lost because the disk was full."""
    reason: str = ""
    """Why the lab ended it, in Kubernetes' word; empty: it did not."""


def handle(pod: str, container: str, attempt: int) -> str:
    """Return the name of one run of one container: each can be started once only.

    Commands in it add a label of the caller's after `#`.
    """
    return f"{pod}/{container}/{attempt}"


def parse_handle(text: str) -> tuple[str, str, int]:
    """Return pod, container and attempt; a command's own label after `#` is left out.

    Raises ValueError on anything else.
    """
    pod, container, attempt = text.partition("#")[0].split("/")
    return pod, container, int(attempt)


def command_spec(given: ContainerSpec, container: ContainerSpec) -> ContainerSpec:
    """Return the spec of a command in a container: what it leaves open is the container's own."""
    environment = given.env or container.env
    if given.tty and not any(item.startswith("TERM=") for item in environment):
        environment = (*environment, "TERM=xterm")
    return given._replace(
        env=environment,
        cwd=given.cwd or container.cwd,
        uid=given.uid or container.uid,
        gid=given.gid or container.gid,
        groups=given.groups or container.groups,
        capabilities=(container.capabilities if given.capabilities is None else given.capabilities),
        no_new_privileges=given.no_new_privileges or container.no_new_privileges,
    )


def variables(spec: ContainerSpec) -> dict[str, str]:
    """Return a container's environment, with a PATH where it names none."""
    return {"PATH": _PATH} | dict(item.split("=", 1) for item in spec.env)


def encode(frame: Frame) -> bytes:
    """Return the bytes of a frame. Raises BadFrame beyond the size limit."""
    body = json.dumps(frame, separators=(",", ":")).encode()
    if len(body) > FRAME_LIMIT:
        raise BadFrame(f"a frame of {len(body)} bytes; at most {FRAME_LIMIT} are allowed")
    return _HEADER.pack(len(body)) + body


class Decoder:
    """Cuts a byte stream into frames, whatever pieces it arrives in."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes, return the frames they completed. Raises BadFrame."""
        self._buffer += data
        frames: list[Frame] = []
        while len(self._buffer) >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer)
            if length > FRAME_LIMIT:
                raise BadFrame(f"a frame of {length} bytes; at most {FRAME_LIMIT} are allowed")
            end = _HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(_object(bytes(self._buffer[_HEADER.size : end])))
            del self._buffer[:end]
        return frames


def _object(body: bytes) -> Frame:
    try:
        frame = json.loads(body)
    except ValueError as error:
        raise BadFrame(f"not JSON: {error}") from error
    if not isinstance(frame, dict):
        raise BadFrame("not a JSON object")
    return frame


def spec_from(raw: Frame) -> ContainerSpec:
    """Read a ContainerSpec back from JSON. Raises BadFrame on unknown fields or no command."""
    try:
        spec = ContainerSpec(**raw)
        if not spec.argv:
            raise BadFrame("a container without a command")
        return spec._replace(
            argv=tuple(spec.argv),
            env=tuple(spec.env),
            groups=tuple(spec.groups),
            capabilities=None if spec.capabilities is None else tuple(spec.capabilities),
            files=tuple((path, text) for path, text in spec.files),
            mounts=tuple(Mount(*m) for m in spec.mounts),
            masks=tuple(spec.masks),
            writable=tuple(spec.writable),
            layers=tuple(spec.layers),
        )
    except (TypeError, ValueError) as error:
        raise BadFrame(f"bad container spec: {error}") from error


def process_from(raw: Frame) -> Process:
    """Read a Process back from JSON. Raises BadFrame on unknown fields."""
    try:
        return Process(**raw)
    except TypeError as error:
        raise BadFrame(f"bad process: {error}") from error
