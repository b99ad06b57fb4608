"""`lateen tap`: finished requests of the whole mesh, a line each."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lateen.app.lab import lab as labs
from lateen.cli import exits
from lateen.cli.connection import answers, api as lab_api
from lateen.cli.terminal import screen
from lateen.model import wellknown
from lateen.model.labapi import contract
from lateen.observe.ends import End, Places, short_identity
from lateen.observe.packets.flowfilter import Condition, FlowFilter, Subject

_QUOTED = re.compile(r'[\s"=\\]|^$')


class TapOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to show."""

    namespace: str = ""
    conditions: Sequence[Condition] = ()
    count: int = 0
    output: str = ""
    show_secrets: bool = False
    every_request: bool = False


def tap(lab: str, options: TapOptions) -> int:
    """The command; runs until `count` lines, or Ctrl-C."""
    if options.output not in ("", "json", "test"):
        exits.complain(f"-o {options.output}: use json or test, or leave it out")
        return exits.USAGE
    conditions = list(options.conditions)
    if options.namespace:
        conditions.append(Condition("namespace", options.namespace))
    try:
        chosen = FlowFilter(conditions)
    except ValueError as error:
        exits.complain(str(error))
        return exits.USAGE
    api = lab_api.Api.of(labs.require(lab))
    known = _Known(api)
    shown = 0
    asked = {"secrets": options.show_secrets, "every": options.every_request}
    query = {name: "true" for name, wanted in asked.items() if wanted}
    try:
        for raw in api.lines(contract.TAP.path, query):
            if not raw.strip():
                continue
            told: dict[str, Any] = answers.read(raw, api.version or "")
            if told["event"] == "lost":
                exits.complain(f"{told['entries']} log entries lost: this reader is too slow")
                continue
            if told["event"] == "sampled":
                exits.complain(_sampled(told["one_in"]))
                continue
            if not chosen.keeps(_subject(told, known)):
                continue
            text = _shown(told, options.output, known, first=not shown)
            if not text:
                continue
            shown += 1
            sys.stdout.write(text)
            sys.stdout.flush()
            if options.count and shown >= options.count:
                break
    except KeyboardInterrupt:
        return exits.OK
    return exits.OK


def _shown(told: dict[str, Any], output: str, known: "_Known", *, first: bool) -> str:
    """Return what is printed of an event; nothing where it makes no case."""
    if output == "test":
        from lateen.analysis.expectations import requests

        case = None if known.is_gateway(told["src"]) else requests.of_hop(told)
        return "" if case is None else (requests.HEAD if first else "") + requests.entry(case)
    event = told.pop("event")
    if output:
        return json.dumps({"event": event, **told}) + "\n"
    return screen.visible(line(event, told)) + "\n"


def _sampled(one_in: int) -> str:
    if one_in == 1:
        return "every request is shown again"
    return (
        f"so many requests: one in {one_in} is shown, and every one that failed "
        "(--every-request shows all, and slows them down)"
    )


class _Known:
    """Who is in the lab; asked for again when a name comes up that is not known."""

    def __init__(self, api: lab_api.Api) -> None:
        self._api = api
        self._places = Places(())
        self._missing: set[str] = set()
        self._gateways: dict[str, bool] = {}

    def is_gateway(self, name: str) -> bool:
        """Whether a pod (`namespace/name`) is a proxy and nothing else."""
        if "/" not in name:
            return False
        if name not in self._gateways:
            namespace, _, pod = name.partition("/")
            path = f"/api/v1/namespaces/{namespace}/pods/{pod}"
            containers = self._api.request("GET", path).body["spec"]["containers"]
            self._gateways[name] = [each["name"] for each in containers] == [wellknown.PROXY]
        return self._gateways[name]

    def end(self, name: str, identity: str) -> End:
        """Return who has a name, with the identity that was proved."""
        if "/" in name and not self._places.knows(name) and name not in self._missing:
            pods, services = (
                self._api.request("GET", f"/api/v1/{kind}").body["items"]
                for kind in ("pods", "services")
            )
            self._places = Places(pods, services)
            if not self._places.knows(name):
                self._missing.add(name)
        return msgspec.structs.replace(self._places.named(name), identity=short_identity(identity))


def _subject(told: Mapping[str, Any], known: _Known) -> Subject:
    ports = (str(told.get(end, "")).rpartition(":")[2] for end in ("src_addr", "dst_addr"))
    return Subject(
        source=known.end(told["src"], told.get("client_id", "")),
        target=known.end(told["dst"], told.get("server_id", "")),
        tls=told["tls"],
        status=told.get(":status", 0),
        ports=frozenset(int(port) for port in ports if port),
    )


def line(begin: str, told: Mapping[str, Any]) -> str:
    """Return a hop as key=value pairs; values that would not read back are quoted as in JSON."""
    return " ".join([begin, *(f"{name}={_value(value)}" for name, value in told.items())])


def _value(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if _QUOTED.search(text) else text
