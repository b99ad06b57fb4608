"""What an image is to the node: how to start it, and the files it expects. Pure."""

from collections.abc import Callable, Mapping

import msgspec
from msgspec.structs import replace

from lateen.node.images.speech import AppPort


class ImageContext(msgspec.Struct, frozen=True):
    """Where and how one container is to run.

    All paths are absolute and as the container's process sees them; /etc, /usr, /var and /run are
    the container's own, under `root`. `installed` maps the programs that were found on this
    machine to their paths; only `nginx`, `openssl`, `curl` and `tcpdump` are ever looked up.
    """

    work: str
    """A writable directory of this container alone."""
    cache: str
    """A directory with what the lab makes for its images: their certificates."""
    python: tuple[str, ...]
    """Command line of the interpreter that runs stand-ins; `-m MODULE` follows."""
    hostname: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = msgspec.field(default_factory=dict)
    installed: Mapping[str, str] = msgspec.field(default_factory=dict)
    mounts: frozenset[str] = frozenset()
    """Paths at which the pod mounts something."""
    root: str = ""
    """Put before the container's own paths; empty where the process has a root of its own."""


class Launch(msgspec.Struct, frozen=True):
    """A process to start, and the files to write before it (absolute path to content)."""

    argv: tuple[str, ...]
    files: Mapping[str, str] = msgspec.field(default_factory=dict)
    listens: tuple[AppPort, ...] | None = ()
    """The TCP ports it listens on; None where only the process itself knows."""


Program = Callable[[ImageContext, tuple[str, ...]], Launch]
"""Starts what stands in for one program of an image, given the program's arguments."""


class ImageSpec(msgspec.Struct, frozen=True):
    """One image of the catalogue.

    `programs` names the programs (by the last part of their path) that exist in the image only
    and what runs instead; every other command is run as it is written.
    """

    name: str
    kind: str
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: Mapping[str, str] = msgspec.field(default_factory=dict)
    ports: tuple[int, ...] = ()
    programs: Mapping[str, Program] = msgspec.field(default_factory=dict)
    wrappers: frozenset[str] = frozenset()
    """Programs that only start what follows them (`docker-entrypoint.sh`, `tini --`)."""

    def words(self, ctx: ImageContext) -> tuple[str, ...]:
        """Return the command line as Kubernetes composes it: `command` replaces the image's
        ENTRYPOINT and drops its CMD, `args` replaces CMD."""
        if ctx.command:
            return ctx.command + ctx.args
        return self.entrypoint + (ctx.args or self.cmd)

    def launch(self, ctx: ImageContext) -> Launch:
        """Return the process and files of a container of this image.

        Its argv is empty if neither image nor container names a command.
        """
        words = self.words(ctx)
        while words and _base(words[0]) in self.wrappers:
            words = words[1:]
            while words and words[0] in ("--", "-g", "-s"):
                words = words[1:]
        program = self.programs.get(_base(words[0])) if words else None
        if program is None:
            return Launch(words, listens=None)
        return program(replace(ctx, env=self.environment(ctx)), words[1:])

    def argv(self, ctx: ImageContext) -> list[str]:
        """Return the command line to run."""
        return list(self.launch(ctx).argv)

    def files(self, ctx: ImageContext) -> dict[str, str]:
        """Return the files to write before the start: absolute path to content."""
        return dict(self.launch(ctx).files)

    def environment(self, ctx: ImageContext) -> dict[str, str]:
        """Return the image's variables with the container's on top."""
        return {**self.env, **ctx.env}


def _base(word: str) -> str:
    return word.rsplit("/", 1)[-1]
