"""`lateen curl`: one real request and its journey, leg by leg."""

import ipaddress
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lateen.app.lab import lab as labs
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.screen import diagrams, verdicts
from lateen.cli.terminal import screen
from lateen.cli.traffic import requests
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.explain import of_curl
from lateen.model.labapi.request import CurlRequest, HttpVersion

_WORD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A method or a header's name."""
_FORM = "application/x-www-form-urlencoded"


class CurlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to send; names are curl's where curl has them."""

    url: str
    method: str = ""
    headers: Sequence[str] = ()
    head: bool = False
    data: Sequence[str] = ()
    data_binary: Sequence[str] = ()
    data_raw: Sequence[str] = ()
    start: str = ""
    namespace: str = "default"
    http: HttpVersion = "1.1"
    insecure: bool = False
    resolve: Sequence[str] = ()
    count: int = 1
    timeout: float = 15.0
    fail: bool = False
    output: str = ""
    show_secrets: bool = False
    as_test: bool = False
    """Print a case for `lateen test` instead of the story."""


def curl(lab: str, options: CurlOptions) -> int:
    """The command. Ends with 1 if any request got no answer or, with `--fail`, an error status."""
    try:
        body = request_body(options)
    except ValueError as error:
        exits.complain(str(error))
        return exits.USAGE
    api = lab_api.Api.of(labs.require(lab))
    failed = False
    for number in range(options.count):
        told = _foretold(api, body)
        try:
            answer: Json = api.ask(contract.REQUEST, body)
        except ApiError as error:
            if error.code != 400:
                raise
            exits.complain(error.message)
            return exits.USAGE
        if told is not None:
            from lateen.app.foresight import outcome_diff

            answer["surprises"] = outcome_diff.surprises(answer, told)
        status = answer["response"]["status"]
        failed = failed or status is None or (options.fail and status >= 400)
        if options.as_test:
            sys.stdout.write(_as_test(body, answer, first=not number))
        elif options.output == "json":
            sys.stdout.write(json.dumps(answer, indent=2) + "\n")
        elif options.output == "mermaid":
            sys.stdout.write(diagrams.sequence(answer))
        else:
            screen.say(("\n" if number else "") + format_answer(answer))
        sys.stdout.flush()
    return exits.FAILED if failed else exits.OK


def _as_test(request: CurlRequest, answer: Json, *, first: bool) -> str:
    from lateen.analysis.expectations import requests
    from lateen.observe import redact

    shown = redact.headers(request.headers)
    headers = tuple(pair for pair in shown if redact.HIDDEN not in pair[1])
    case = requests.case(msgspec.structs.replace(request, headers=headers), answer)
    return (requests.HEAD if first else "") + requests.entry(case)


def _foretold(api: lab_api.Api, request: CurlRequest) -> Json | None:
    """Return what the lab says the request will do; None where it does not say (it may be asked
    for what only the network can tell)."""
    try:
        told: Json = api.ask(contract.EXPLAIN, of_curl(request))
    except ApiError:
        return None
    return told


def request_body(options: CurlOptions) -> CurlRequest:
    """Return what the lab is asked to send. Raises ValueError, with what to write."""
    if options.output not in ("", "json", "mermaid"):
        raise ValueError(f"-o {options.output}: use json or mermaid, or leave it out")
    content = _content(options)
    if options.head and content is not None:
        raise ValueError("-I asks for the head alone: with a body use -X HEAD")
    method = options.method or ("HEAD" if options.head else "GET" if content is None else "POST")
    if not _WORD.fullmatch(method):
        raise ValueError(f"-X {method!r}: a method is one word, such as PUT")
    headers, without = requests.headers(options.headers)
    if content is not None and "content-type" not in {name.lower() for name, _ in headers}:
        headers.append(("Content-Type", _FORM))
    return CurlRequest(
        url=options.url,
        method=method,
        headers=tuple(headers),
        without=tuple(without),
        body_base64=content or b"",
        origin=options.start,
        namespace=options.namespace,
        http=options.http,
        insecure=options.insecure,
        resolve=dict(_resolved(text) for text in options.resolve),
        timeout=options.timeout,
        show_secrets=options.show_secrets,
    )


def _content(options: CurlOptions) -> bytes | None:
    """Return the body as curl makes it of its options; None if there is none."""
    given = [options.data, options.data_binary, options.data_raw]
    if sum(1 for texts in given if texts) > 1:
        raise ValueError("use one of -d, --data-binary and --data-raw")
    # Of a file curl's -d leaves out the line ends.
    parts = [
        _part(text).translate(None, b"\r\n\0" if text.startswith("@") else b"")
        for text in options.data
    ]
    parts += [_part(text) for text in options.data_binary]
    parts += [text.encode() for text in options.data_raw]
    return b"&".join(parts) if parts else None


def _part(text: str) -> bytes:
    """Return a value; `@FILE` is what is in the file, `@-` standard input."""
    if text[:1] != "@":
        return text.encode()
    if text == "@-":
        return sys.stdin.buffer.read()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise ValueError(f"{text[1:]}: {error.strerror}") from error


def _resolved(text: str) -> tuple[str, str]:
    host, _, rest = text.partition(":")
    port, _, address = rest.partition(":")
    try:
        ipaddress.IPv4Address(address)
    except ValueError:
        port = ""
    if not host or not port.isdecimal():
        raise ValueError(f"--resolve {text}: write it as HOST:PORT:ADDRESS, an IPv4 address")
    return f"{host}:{port}", address


def format_answer(answer: Json) -> str:
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
        *(f"  {screen.visible(line)}" for line in body[:3]),
    ]
    if note := request.get("note"):
        lines.append(f"  {screen.paint('note', 'yellow')}: {screen.visible(note)}")
    for number, leg in enumerate(answer["legs"], 1):
        lines += _leg(str(number), leg)
    lines += _calls(answer["calls"], "  ")
    verdict = answer["verdict"]
    lines.append(f"  {screen.paint('why', 'bold')}: {screen.visible(verdict['sentence'])}")
    for source in verdict["sources"]:
        where = f"{source['location']}  " if source["location"] else ""
        lines.append(f"    {where}{source['text']}")
    lines += verdicts.advice(verdict, "    ")
    for rejected in verdict["rejected"]:
        words = f"{rejected['proxy']} did not take all of its configuration: {rejected['text']}"
        lines.append(f"    {screen.paint('note', 'yellow')}: {screen.visible(words)}")
    for found in verdict["findings"]:
        where = found["location"] or found["object"]
        text = f"{found['level']} [{found['code']}] {where}: {found['message']}"
        lines.append(f"    {screen.paint('note', 'yellow')}: {screen.visible(text)}")
    lines += _surprises(answer.get("surprises"))
    return "\n".join(lines)


def _surprises(found: list[str] | None) -> list[str]:
    """Return how it came beside what was foretold; nothing where that could not be said."""
    if found is None:
        return []
    words = "; ".join(found) or "as predicted"
    return [f"  {screen.paint('explain', 'bold')}: {screen.visible(words)}"]


def _calls(calls: list[Json], margin: str) -> list[str]:
    """Return what applications called meanwhile, each with the legs that left the pod."""
    lines = []
    for call in calls:
        asked = f"{margin}{call['caller']} asked for {call['request']}  ->  {call['status'] or '-'}"
        lines.append(screen.visible(asked))
        for leg in call["legs"]:
            mark = screen.paint("  <- failed here", "red") if leg["failed"] else ""
            ends = f"{leg['from']['name']} -> {leg['to']['name'] or 'nowhere'}"
            lines.append(f"{margin}  {leg['name']}: {screen.visible(leg['line'])}{mark}")
            lines.append(f"{margin}    {screen.visible(ends)}")
        lines += _calls(call["calls"], margin + "  ")
    return lines


def _leg(number: str, leg: Json) -> list[str]:
    mark = screen.paint("  <- failed here", "red") if leg["failed"] else ""
    ends = [leg["from"], leg["to"]]
    named = [dict.fromkeys((e["name"], e["address"])) for e in ends]
    shown = " -> ".join(" ".join(filter(None, words)) or "nowhere" for words in named)
    lines = [f"  {number}. {leg['name']}: {screen.visible(leg['line'])}{mark}", f"     {shown}"]
    log = leg["server_log"]
    if log is not None:
        lines.append(f"     {leg['to']['role']} logged: {screen.visible(log['line'])}")
    return lines
