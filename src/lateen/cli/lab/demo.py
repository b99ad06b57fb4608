"""`lateen demo`: the walkthrough's four requests, what travelled on the wire, and why."""

import importlib.resources
import sys
from pathlib import Path
from typing import Any

from lateen.app.lab import lab as labs
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.lab import up
from lateen.cli.manifests.named import Named
from lateen.cli.objects import waiting
from lateen.cli.screen import verdicts
from lateen.cli.terminal import hints, screen
from lateen.model.labapi import contract
from lateen.model.labapi.request import CurlRequest

PATHS = ("/http-no-mTLS", "/https-no-mTLS", "/http-mTLS", "/https-mTLS")


def walkthrough() -> Path:
    """Return the folder of the example's manifests, installed with the package; relative to where
    the person is if it is below."""
    found = Path(str(importlib.resources.files("lateen.cli.lab") / "walkthrough"))
    here = Path.cwd()
    return found.relative_to(here) if found.is_relative_to(here) else found


def demo(lab: str, istio: str, *, keep: bool) -> int:
    """The command."""
    if labs.find(lab):
        exits.complain(f"taking down the {lab} lab of an earlier run")
        labs.stop(lab)
    progress = screen.Progress()
    settings = up.settings_for(lab, Named(), istio)
    running, api, status = up.bring_up(
        settings, Named([str(walkthrough())]), timeout=60.0, progress=progress, quiet=True
    )
    if not waiting.settled(status, 0):
        return up.report(status, running, progress)
    progress.done(f"Istio {istio}: {waiting.summary(status)}")
    for path in PATHS:
        screen.say("\n" + format_answer(ask(api, f"http://istio-ingressgateway{path}")))
    _next_steps(lab, status, keep=keep)
    if not keep:
        labs.stop(lab)
    return exits.OK


def ask(api: lab_api.Api, url: str) -> dict[str, Any]:
    """Send one request through the lab's gateway and return what was seen of it."""
    answer: dict[str, Any] = api.ask(contract.REQUEST, CurlRequest(url=url, gateway=True))
    return answer


def format_answer(answer: dict[str, Any]) -> str:
    """Return one request's story: request, status, body, the wire, why."""
    response, verdict = answer["response"], answer["verdict"]
    status = response.get("status")
    colour = "green" if status and status < 400 else "red"
    head = screen.paint(f"GET {answer['request']['path']}", "bold")
    shown = screen.paint(str(status or response.get("error")), colour)
    body = (response.get("body") or "").strip().splitlines()
    lines = [f"{head}  ->  {shown}  {body[0] if body else ''}"]
    for leg in answer["legs"]:
        failed = "  <- failed here" if leg["failed"] else ""
        lines.append(f"  {leg['name']}: {leg['line']}{failed}")
    lines.append(f"  why: {verdict['sentence']}")
    lines += [f"    {source['location'] or source['text']}" for source in verdict["sources"]]
    lines += verdicts.advice(verdict, "    ")
    return "\n".join(lines)


def _next_steps(lab: str, status: dict[str, Any], *, keep: bool) -> None:
    if not keep:
        return
    urls = [url for gateway in status["gateways"] for url in gateway["urls"]]
    base = next((url for url in urls if "443" not in url.rsplit(":", 1)[-1]), "")
    kubeconfig = labs.require(lab).paths.kubeconfig
    hints.choose(lab)
    sys.stdout.write(
        hints.typed(
            f"\nThe lab stays up. The gateway is {base}\n"
            f"  curl {base}/http-mTLS\n"
            f"  lateen curl {base}/https-mTLS\n"
            "  lateen status\n"
            f"  export KUBECONFIG={kubeconfig}   # then kubectl, as on a cluster\n"
            "  lateen down\n"
        )
    )
