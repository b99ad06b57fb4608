"""componentstatuses: the parts of a control plane, for who still asks for them. Pure."""

from collections.abc import Mapping
from datetime import datetime

from lateen.apiserver import errors
from lateen.apiserver.kinds.resources import Kind, Target
from lateen.apiserver.kinds.strategy.base import Standard
from lateen.apiserver.protocol import exchange
from lateen.apiserver.reading import listing, rendering
from lateen.base.jsonvalue import Json
from lateen.model.schema.kindinfo import KindInfo
from lateen.store import api as store_api

PLURAL = "componentstatuses"
_PARTS = ("scheduler", "controller-manager", "etcd-0")
_DEPRECATED = "v1 ComponentStatus is deprecated in v1.19+"
_INFO = KindInfo(
    group="",
    versions=("v1",),
    kind="ComponentStatus",
    plural=PLURAL,
    singular="componentstatus",
    short_names=("cs",),
    namespaced=False,
    status=False,
)
_TARGET = Target(Kind(_INFO, Standard()), "v1")


def answer(
    call: exchange.Call, failing: Mapping[str, str], revision: int, now: datetime
) -> exchange.Response:
    """Answer a GET; all parts live in one process here, so one that fails fails for all.

    Raises ApiError 404, 406.
    """
    made = [_status(name, failing) for name in _PARTS]
    form = call.form
    headers = exchange.warning_headers((_DEPRECATED,))
    include = call.info.query.text("includeObject")
    if call.info.name:
        one = next((value for value in made if value["metadata"]["name"] == call.info.name), None)
        if one is None:
            raise errors.not_found(_INFO, call.info.name)
        body = rendering.one(_TARGET, one, form, now, include)
    else:
        entries = [_entry(value) for value in made]
        body = rendering.many(_TARGET, listing.Listed(entries, revision), form, now, include)
    return exchange.Response(body=body, content_type=form.content_type, headers=headers)


def _entry(value: Json) -> store_api.Entry:
    return store_api.Entry(store_api.Key(PLURAL, "", value["metadata"]["name"]), 0, value)


def _status(name: str, failing: Mapping[str, str]) -> Json:
    why = "; ".join(f"{check}: {text}" for check, text in sorted(failing.items()))
    condition = {"type": "Healthy", "status": "False" if why else "True", "message": why or "ok"}
    return {
        "kind": "ComponentStatus",
        "apiVersion": "v1",
        "metadata": {"name": name},
        "conditions": [condition],
    }
