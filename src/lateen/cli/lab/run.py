"""`lateen run`: a process of this machine in the mesh, as a Deployment and a Service."""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError, Running
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.lab.forwards import Forwards
from lateen.cli.lab.runplace import Place, RunOptions, group_template, target
from lateen.cli.objects import logs
from lateen.cli.objects.logs import LogOptions
from lateen.cli.terminal import screen
from lateen.model.client import ApiError
from lateen.node.images import folders

_LOOK = 0.25
"""Seconds between two looks at the files, and at the pod."""
_MANY = 20_000
"""Files that are watched at most."""
_PASSED_OVER = frozenset({".git", "node_modules", "__pycache__", ".venv", "target"})


def run(lab: str, name: str, command: Sequence[str], options: RunOptions) -> int:
    """Put a process into the mesh, show its output, and take it out again at Ctrl-C."""
    running = labs.require(lab)
    api = lab_api.Api.of(running)
    folder = os.getcwd()
    process = local_command(command, folder, options.env)
    instead, group = target(api, options), group_template(api, options)
    place = Place(api, name, folder, options, instead, group)
    if options.forward and options.detach:
        raise LabError("--forward stays with the command: leave --detach out", exits.USAGE)

    def newest() -> str:
        """For threads of their own: a connection to the API is one thread's."""
        return Place(lab_api.Api.of(running), name, folder, options, instead, group).pod()

    forwards = Forwards(running, options.namespace, newest, options.forward)
    try:
        place.start(process)
        place.await_ready()
        where = " ".join(f"http://{place.host}:{port}" for port in place.ports) or place.host
        screen.say(f"{name} is in the mesh: {where}")
        for line in forwards.lines:
            screen.say(line)
        sys.stdout.flush()  # whoever reads this by a pipe waits for it
        if options.detach:
            screen.say(f"`lateen delete deploy {place.deployment}` ends it")
            return exits.OK
        _stay(running, place, process, folder, options)
    except KeyboardInterrupt:
        place.leave()
        return exits.OK
    except BaseException:
        place.leave()
        raise
    return exits.OK


def local_command(command: Sequence[str], folder: str, env: Mapping[str, str]) -> dict[str, Any]:
    """Return the command as a container has it: the program by its full path, with the folders
    that it needs. Raises LabError when the program is not there."""
    program = shutil.which(command[0])
    if program is None:
        raise LabError(f"{command[0]}: no such program", exits.USAGE)
    if folders.is_large(folder):
        raise LabError(
            f"{folder} would be shown to the process, and holds more than a program: go to the"
            " program's own folder first",
            exits.USAGE,
        )
    argv = [os.path.abspath(program), *command[1:]]
    real = os.path.realpath(argv[0])
    needed = folders.of_process(argv, folder, real, os.path.isfile, os.path.isdir)
    return {"argv": argv, "folders": needed, "env": dict(env)}


def _stay(
    running: Running, place: Place, process: Mapping[str, Any], folder: str, options: RunOptions
) -> None:
    """Show the output until Ctrl-C; with `watch` start the process again when files change."""
    before = dict(stamps(folder)) if options.watch else {}
    shown = ""
    while True:
        for pod in place.pods()[-1:]:
            name = pod["metadata"]["name"]
            if name != shown and (pod.get("status") or {}).get("phase") == "Running":
                shown = name
                _follow(running, name, place.container, options.namespace)
        time.sleep(_LOOK)
        if options.watch and (now := dict(stamps(folder))) != before:
            before = now
            screen.say("files changed: starting it again")
            place.start(process)


def _follow(running: Running, pod: str, container: str, namespace: str) -> None:
    """Print a pod's output until it ends."""
    given = LogOptions(namespace=namespace, container=container, follow=True)

    def show() -> None:
        with contextlib.suppress(ApiError, LabError, OSError):
            logs.logs(lab_api.Api.of(running), pod, given)

    threading.Thread(target=show, daemon=True).start()


def stamps(folder: str) -> Iterator[tuple[str, tuple[int, int]]]:
    """Yield the files below a folder with when they were changed and their size; folders that
    tools fill are passed over."""
    count = 0
    for directory, names, files in os.walk(folder):
        names[:] = [name for name in names if name not in _PASSED_OVER]
        for file in files:
            path = Path(directory, file)
            with contextlib.suppress(OSError):
                state = path.stat()
                yield str(path), (state.st_mtime_ns, state.st_size)
            count += 1
            if count >= _MANY:
                return
