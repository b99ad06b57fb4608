"""`lateen get -w`: a table or documents that go on with every change."""

import json
import sys
from collections.abc import Callable, Iterator

from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.model.client import ApiError


def events(
    api: lab_api.Api, path: str, query: dict[str, str], version: str, accept: str
) -> Iterator[Json]:
    """Yield the objects (or tables of one row) of what changes after a resource version, for ever.

    A watch that the server ends goes on from where it was. Raises ApiError when that is too long
    ago, or for what the server refuses.
    """
    while True:
        asked = {
            **query,
            "watch": "true",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
        }
        for line in api.lines(path, asked, accept):
            event = json.loads(line)
            found = event["object"]
            if event["type"] == "ERROR":
                raise ApiError(
                    int(found.get("code", 500)),
                    str(found.get("reason", "")),
                    str(found.get("message", "the watch ended")),
                    {},
                )
            version = newest(found) or version
            if event["type"] != "BOOKMARK":
                yield found


def newest(found: Json) -> str:
    """Return the resource version of an object, a list, or a table's row; empty if it has none."""
    own = str((found.get("metadata") or {}).get("resourceVersion") or "")
    rows = found.get("rows") or []
    last = rows[-1]["object"]["metadata"] if rows else {}
    return own or str(last.get("resourceVersion") or "")


def follow(every: Iterator[Json], show: Callable[[Json], None]) -> int:
    """Show what comes until somebody ends it: Ctrl-C is the way, and no failure."""
    try:
        for found in every:
            show(found)
            sys.stdout.flush()
    except KeyboardInterrupt:
        return exits.OK
    return exits.OK
