"""Istio's validation as a client sees it: the words of a cluster's webhook."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.apiserver import errors
from lateen.apiserver.writing import admission, verbs
from lateen.app.admission import istio
from lateen.base.clock import ManualClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore
from tests import first_namespaces

DENIED = 'admission webhook "validation.istio.io" denied the request: configuration is invalid: '
ROUTE = {"route": [{"destination": {"host": "web"}}]}


def refused(http: Any, **how: Any) -> ApiError:
    clock = ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
    chain = admission.Chain(validators=[istio.check])
    api = verbs.Api(MemoryStore(), clock, chain=chain)
    first_namespaces.ensure(api)
    target = api.target("virtualservices.networking.istio.io", "default")
    body = {"metadata": {"name": "x"}, "spec": {"hosts": ["web"], "http": http}}
    with pytest.raises(ApiError) as caught:
        api.create(target, body, verbs.WriteOptions(**how))
    assert not api.store.list(target.info.resource).entries
    return caught.value


def test_a_refusal_is_a_webhooks() -> None:
    error = refused([{"timeout": "1s"}])
    assert errors.status(error) == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": f"{DENIED}HTTP route, redirect or direct_response is required",
        "details": {
            "causes": [
                {
                    "reason": "FieldValueInvalid",
                    "message": "HTTP route, redirect or direct_response is required",
                    "field": "spec.http[0]",
                }
            ]
        },
        "code": 400,
    }


def test_several_faults_are_listed_as_istio_lists_them() -> None:
    message = refused([{"timeout": "1s"}, {"timeout": "1s"}]).message
    assert message == (
        f"{DENIED}2 errors occurred:\n"
        "\t* HTTP route, redirect or direct_response is required\n"
        "\t* HTTP route, redirect or direct_response is required\n\n"
    )


def test_a_dry_run_is_judged_too() -> None:
    assert refused([{"timeout": "1s"}], dry_run=True).code == 400


def test_what_the_schema_refuses_is_not_the_webhooks() -> None:
    unknown = refused([{**ROUTE, "timeoutt": "1s"}], validation="Strict")
    assert (unknown.code, unknown.reason) == (400, "BadRequest")
    assert 'strict decoding error: unknown field "spec.http[0].timeoutt"' in unknown.message
    mistyped = refused([{**ROUTE, "timeout": 1}])
    assert (mistyped.code, mistyped.reason) == (422, "Invalid")
    assert [cause["field"] for cause in mistyped.details["causes"]] == ["spec.http[0].timeout"]
