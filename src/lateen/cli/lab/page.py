"""`lateen page`: opens the lab's page, closes it, or writes it to a file."""

import json
import os
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path
from typing import Any

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError, Running
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.terminal import screen
from lateen.model.labapi import contract
from lateen.model.labapi.page import PageRequest

_KINDS = (
    "/apis/networking.istio.io/v1/virtualservices",
    "/apis/networking.istio.io/v1/destinationrules",
    "/apis/networking.istio.io/v1/gateways",
    "/apis/networking.istio.io/v1/serviceentries",
    "/apis/networking.istio.io/v1/sidecars",
    "/apis/security.istio.io/v1/peerauthentications",
    "/apis/security.istio.io/v1/authorizationpolicies",
    "/apis/security.istio.io/v1/requestauthentications",
    "/api/v1/services",
    "/apis/apps/v1/deployments",
    "/apis/lateen.dev/v1/sourcemaps",
)
"""What a saved page holds of the objects."""


def page(lab: str, view: str, *, quiet: bool, hosts: tuple[str, ...] = ()) -> int:
    """The command: open the page and, where there is a desktop, a browser."""
    running = labs.require(lab)
    answer: dict[str, Any] = lab_api.Api.of(running).ask(contract.PAGE, PageRequest(hosts=hosts))
    url = f"{answer['url']}{view}#code={answer['code']}"
    opened = not quiet and _browse(running, url)
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    within = f"{answer['seconds']:.0f} seconds"
    said = "a browser was asked to open it" if opened else f"open it within {within}, once"
    exits.complain(f"{said}; `lateen page` again gives a new code, `lateen page --stop` closes it")
    return exits.OK


def _browse(running: Running, url: str) -> bool:
    """Ask the desktop for a browser. A command line is for every user of the machine to read: it
    names a file of the owner's own, which leads on."""
    program = shutil.which("xdg-open")
    if program is None or not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    file = running.paths.page_opener
    file.unlink(missing_ok=True)
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as leading:
        leading.write(
            '<!doctype html><meta charset="utf-8"><title>Lateen</title>'
            f'<meta http-equiv="refresh" content="0;url={escape(url)}">'
        )
    try:
        subprocess.Popen(
            [program, str(file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError:
        return False
    return True


def stop(lab: str) -> int:
    """Close the page."""
    lab_api.Api.of(labs.require(lab)).ask(contract.PAGE, PageRequest(stop=True))
    screen.say("the page is closed")
    return exits.OK


def save(lab: str, name: str) -> int:
    """Write the present state as one file that opens from disk. Raises LabError."""
    from lateen.app.lab.paths import lab_paths
    from lateen.page.assets import Assets

    api = lab_api.Api.of(labs.require(lab))
    state = {
        "lab": lab_paths(lab).lab,
        "live": _present(api),
        "answers": {
            contract.EDGES.path: api.ask(contract.EDGES),
            contract.ANALYZE.path: api.ask(contract.ANALYZE),
            **{path: api.request("GET", path).body for path in _KINDS},
        },
    }
    try:
        Path(name).write_text(Assets().saved(state), encoding="utf-8")
    except OSError as error:
        raise LabError(f"{name}: {error.strerror}") from error
    screen.say(f"wrote {name}: it opens from disk, without a lab")
    return exits.OK


def _present(api: lab_api.Api) -> list[Any]:
    """Return what a page is told first: edges, who is there, the lab's state."""
    found: dict[str, Any] = {}
    for line in api.lines(contract.LIVE.path):
        told = json.loads(line)
        found.setdefault(told["topic"], told)
        if {"edges", "nodes", "status"} <= found.keys():
            break
    return list(found.values())
