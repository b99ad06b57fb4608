"""`lateen edges`: who talked to whom, and whether it was secured."""

import json
import sys
from typing import Any

from lateen.app.lab import lab as labs
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.screen import diagrams, spans, tables
from lateen.cli.terminal import screen
from lateen.model.labapi import contract

_COLUMNS = ("SRC", "DST", "PORT", "PROTOCOL", "SECURED", "REQUESTS", "ERRORS")
_WIDE = ("CLIENT_ID", "SERVER_ID")
_COLOURS = {"mtls": "green", "tls": "cyan", "none": "yellow"}


def edges(lab: str, output: str, since: str, namespace: str) -> int:
    """The command. Without `since` and `namespace` it shows all that is still known."""
    if output not in ("", "wide", "json", "mermaid"):
        exits.complain(f"-o {output}: use wide, json or mermaid, or leave it out")
        return exits.USAGE
    try:
        query = {"since": str(spans.seconds(since))} if since else None
    except ValueError as error:
        exits.complain(str(error))
        return exits.USAGE
    api = lab_api.Api.of(labs.require(lab))
    answer: dict[str, Any] = api.ask(contract.EDGES, query=query)
    if namespace:
        answer["edges"] = [edge for edge in answer["edges"] if namespace in _namespaces(edge)]
    if output == "json":
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        return exits.OK
    if output == "mermaid":
        sys.stdout.write(diagrams.graph(answer["edges"]))
        return exits.OK
    if not answer["edges"]:
        where = f" from or to {namespace}" if namespace else ""
        exits.complain(f"no requests{where} are known yet: send one with `lateen curl`")
        return exits.OK
    wide = output == "wide"
    header = [*_COLUMNS, *(_WIDE if wide else ()), "WHY_NO_TLS"]
    rows = [_row(edge, wide=wide) for edge in answer["edges"]]
    for row in rows:
        row[4] = screen.paint(row[4], _COLOURS[row[4]])
    sys.stdout.write(tables.fitted(header, rows, screen.width()) + "\n")
    if any(edge["sampled"] for edge in answer["edges"]):
        exits.complain(
            "~ is estimated: only a share of so many requests was reported (fullLogRate)"
        )
    return exits.OK


def _namespaces(edge: dict[str, Any]) -> set[str]:
    return {edge[end].partition("/")[0] for end in ("source", "target") if "/" in edge[end]}


def _row(edge: dict[str, Any], *, wide: bool) -> list[str]:
    ids = [_short(edge["client_id"]), _short(edge["server_id"])] if wide else []
    return [
        edge["source"],
        edge["target"],
        edge["port"],
        edge["protocol"] or "-",
        edge["tls"],
        f"~{edge['requests']}" if edge["sampled"] else str(edge["requests"]),
        str(edge["errors"]),
        *ids,
        edge["no_tls_reason"],
    ]


def _short(identity: str) -> str:
    """`spiffe://td/ns/NAMESPACE/sa/ACCOUNT` is `ACCOUNT.NAMESPACE`, as linkerd has it."""
    parts = identity.split("/")
    if identity.startswith("spiffe://") and len(parts) == 7:
        return f"{parts[6]}.{parts[4]}"
    return identity or "-"
