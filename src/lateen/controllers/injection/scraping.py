"""Where Prometheus finds an injected pod's metrics: the agent's port has the proxy's, and the
application's, of which the agent is told. Pure.
"""

import json
from collections.abc import Mapping

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields

VARIABLE = "ISTIO_PROMETHEUS_ANNOTATIONS"
AGENT = {
    "prometheus.io/path": "/stats/prometheus",
    "prometheus.io/port": "15020",
    "prometheus.io/scrape": "true",
}
"""The annotations of every pod whose metrics are merged."""
_MERGE = "prometheus.istio.io/merge-metrics"
_PREFIX = "prometheus.io/"


def merges(pod: JsonView, *, usual: bool) -> bool:
    """Whether a pod's metrics are merged: unless its annotation or the mesh (`usual`) says no, or
    nobody is to scrape it."""
    notes = fields.annotations(pod)
    own = notes.get(_MERGE)
    if _no(notes.get(f"{_PREFIX}scrape", "")):
        return False
    return usual if own is None else not _no(own)


def _no(word: str) -> bool:
    return word.lower() in ("false", "f", "0")


def variable(pod: JsonView) -> list[Json]:
    """Return the proxy's variable that says where the application's metrics are, as the pod's own
    annotations do; none where those say nothing."""
    notes: Mapping[str, str] = fields.annotations(pod)
    said = {
        name: notes[_PREFIX + name]
        for name in ("scrape", "path", "port")
        if _PREFIX + name in notes
    }
    if not said or said.get("port") == AGENT["prometheus.io/port"]:
        return []
    return [{"name": VARIABLE, "value": json.dumps(said, separators=(",", ":"))}]
