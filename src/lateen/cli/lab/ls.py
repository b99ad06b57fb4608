"""`lateen ls`: the labs of this user."""

import json
import sys

from lateen.app.lab import lab as labs, settings as lab_settings
from lateen.app.lab.lab import LabError
from lateen.app.lab.paths import lab_paths
from lateen.app.lab.settings import LabSettings, SettingsError
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.screen import tables
from lateen.cli.terminal import screen
from lateen.model.client import ApiError
from lateen.model.labapi import contract


def ls(output: str) -> int:
    """The command: every lab that is up, or of which something is kept."""
    if output not in ("", "json"):
        raise LabError(f"output {output!r}: use json", exits.USAGE)
    found = [_described(name) for name in labs.every()]
    if output == "json":
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return exits.OK
    if not found:
        exits.complain("no labs: `lateen up DIR` starts one")
        return exits.OK
    head = ["lab", "state", "istio", "pods", "folder"]
    rows = [[str(one[name] or "-") for name in head] for one in found]
    sys.stdout.write(tables.fitted(head, rows, screen.width()) + "\n")
    return exits.OK


def _described(name: str) -> Json:
    settings = _settings(name)
    running = labs.find(name)
    return {
        "lab": name,
        "state": "up" if running else "kept" if labs.kept(name) else "left over",
        "istio": settings.istio if settings else "",
        "pods": _pods(running) if running else "",
        "folder": settings.directory if settings else "",
    }


def _settings(name: str) -> LabSettings | None:
    try:
        return lab_settings.load(lab_paths(name).settings)
    except (SettingsError, ValueError):
        return None


def _pods(running: labs.Running) -> str:
    """Return how many pods are ready, of how many; empty where the lab does not answer."""
    try:
        pods = lab_api.Api.of(running).ask(contract.STATUS)["pods"]
    except (ApiError, LabError, OSError):
        return ""
    return f"{sum(1 for pod in pods if pod['ready'])}/{len(pods)}"
