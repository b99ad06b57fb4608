"""`lateen tap`: finished requests of the whole mesh, a line each."""

import json
import re
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.app import lab as labs
from lateen.cli import api as lab_api
from lateen.cli import exits

_PATH = "/lateen/v1/tap"
_QUOTED = re.compile(r'[\s"=\\]|^$')


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines to show. `source` and `target` are the beginning of `namespace/pod` or pod."""

    source: str = ""
    target: str = ""
    tls: str = ""
    status: str = ""
    count: int = 0
    output: str = ""
    show_secrets: bool = False


def tap(lab: str, options: Options) -> int:
    """The command; runs until `count` lines, or Ctrl-C."""
    if options.output not in ("", "json"):
        exits.complain(f"-o {options.output}: use json, or leave it out")
        return exits.USAGE
    api = lab_api.Api.of(labs.require(lab))
    shown = 0
    query = {"secrets": "true"} if options.show_secrets else None
    try:
        for raw in api.lines(_PATH, query):
            if not raw.strip():
                continue
            told: dict[str, Any] = json.loads(raw)
            if told["event"] == "lost":
                exits.complain(f"{told['entries']} log entries lost: this reader is too slow")
                continue
            if not _wanted(told, options):
                continue
            shown += 1
            event = told.pop("event")
            text = json.dumps({"event": event, **told}) if options.output else line(event, told)
            sys.stdout.write(text + "\n")
            sys.stdout.flush()
            if options.count and shown >= options.count:
                break
    except KeyboardInterrupt:
        return exits.OK
    return exits.OK


def _wanted(told: dict[str, Any], options: Options) -> bool:
    if options.tls and told["tls"] != options.tls:
        return False
    status = str(told.get(":status", ""))
    wanted = options.status
    if wanted.endswith(("+", "xx")):
        if not status.startswith(wanted.rstrip("+x")):
            return False
    elif wanted and status != wanted:
        return False
    pairs = ((options.source, told["src"]), (options.target, told["dst"]))
    return all(
        not name or place.startswith(name) or place.partition("/")[2].startswith(name)
        for name, place in pairs
    )


def line(begin: str, told: Mapping[str, Any]) -> str:
    """Return a hop as key=value pairs; values that would not read back are quoted as in JSON."""
    return " ".join([begin, *(f"{name}={_value(value)}" for name, value in told.items())])


def _value(value: Any) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if _QUOTED.search(text) else text
