"""`lateen curl`: one real request and its journey, leg by leg."""

import json
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from lateen.app import lab as labs
from lateen.cli import api as lab_api
from lateen.cli import exits, screen

Json = dict[str, Any]
PATH = "/lateen/v1/request"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to send; names are curl's where curl has them."""

    url: str
    method: str = ""
    headers: Sequence[str] = ()
    data: str | None = None
    start: str = ""
    namespace: str = "default"
    http: str = "1.1"
    insecure: bool = False
    resolve: Sequence[str] = ()
    count: int = 1
    timeout: float = 15.0
    fail: bool = False
    output: str = ""
    show_secrets: bool = False


def curl(lab: str, options: Options) -> int:
    """The command. Ends with 1 if any request got no answer or, with `--fail`, an error status."""
    if options.output not in ("", "json"):
        exits.complain(f"-o {options.output}: use json, or leave it out")
        return exits.USAGE
    try:
        body = _body(options)
    except ValueError as error:
        exits.complain(str(error))
        return exits.USAGE
    api = lab_api.Api.of(labs.require(lab))
    failed = False
    for number in range(max(1, options.count)):
        answer: Json = api.request("POST", PATH, body=body).body
        status = answer["response"]["status"]
        failed = failed or status is None or (options.fail and status >= 400)
        if options.output == "json":
            sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        else:
            sys.stdout.write(("\n" if number else "") + told(answer))
        sys.stdout.flush()
    return exits.FAILED if failed else exits.OK


def _body(options: Options) -> Json:
    headers = []
    for header in options.headers:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise ValueError(f"-H {header!r}: write it as `Name: value`")
        headers.append([name.strip(), value.strip()])
    resolve = {}
    for text in options.resolve:
        parts = text.split(":")
        if len(parts) != 3:
            raise ValueError(f"--resolve {text}: write it as HOST:PORT:ADDRESS")
        resolve[f"{parts[0]}:{parts[1]}"] = parts[2]
    return {
        "url": options.url,
        "method": options.method or ("GET" if options.data is None else "POST"),
        "headers": headers,
        "body": options.data or "",
        "from": options.start,
        "namespace": options.namespace,
        "http": options.http,
        "insecure": options.insecure,
        "resolve": resolve,
        "timeout": options.timeout,
        "show_secrets": options.show_secrets,
    }


def told(answer: Json) -> str:
    """Return one request's story for a terminal."""
    request, response = answer["request"], answer["response"]
    status = response["status"]
    good = status is not None and status < 400
    came = screen.paint(str(status or response["error"]), "green" if good else "red")
    milliseconds = f"{response['seconds'] * 1000:.1f} ms"
    body = (response["body"] or "").strip().splitlines()
    lines = [
        f"{screen.paint(request['method'] + ' ' + request['url'], 'bold')}  ->  {came}  "
        f"({response['http'] or 'no answer'}, {milliseconds})",
        *(f"  {line}" for line in body[:3]),
    ]
    for number, leg in enumerate(answer["legs"], 1):
        lines += _leg(number, leg)
    verdict = answer["verdict"]
    lines.append(f"  {screen.paint('why', 'bold')}: {verdict['sentence']}")
    for source in verdict["sources"]:
        where = f"{source['location']}  " if source["location"] else ""
        lines.append(f"    {where}{source['text']}")
    lines += [f"    remedy: {remedy}" for remedy in verdict["remedies"]]
    return "\n".join(lines) + "\n"


def _leg(number: int, leg: Json) -> list[str]:
    mark = screen.paint("  <- failed here", "red") if leg["failed"] else ""
    ends = [leg["from"], leg["to"]]
    shown = " -> ".join(f"{e['name']} {e['address']}".strip() or "nowhere" for e in ends)
    lines = [f"  {number}. {leg['name']}: {leg['line']}{mark}", f"     {shown}"]
    log = leg["server_log"]
    if log is not None:
        lines.append(f"     {leg['to']['role']} logged: {log['line']}")
    return lines
