"""What the webhook answers to tools that ask it beforehand."""

import base64
import json
from typing import Any

import pytest

from lateen.app.istiod import injection
from lateen.controllers.injection import injector

POD: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx"}]},
}
SETTINGS = injector.InjectionSettings(inject_unlabelled=False)


def review(pod: Any, **request: Any) -> bytes:
    asked = {"uid": "u", "object": pod, **request}
    made = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}
    return json.dumps(made).encode()


def patched(pod: dict[str, Any], answer: injection.Answer) -> dict[str, Any]:
    """The pod after what the answer says."""
    said = json.loads(answer.body)["response"]
    assert said["uid"] == "u"
    assert said["allowed"]
    result = dict(pod)
    for change in json.loads(base64.b64decode(said.get("patch", "W10="))):
        assert change["op"] == "add"
        result[change["path"].removeprefix("/")] = change["value"]
    return result


def test_a_pod_gets_its_proxy_whatever_the_namespace_says() -> None:
    spaces = {"shop": {"metadata": {"name": "shop", "labels": {"istio-injection": "disabled"}}}}
    answer = injection.answer(review(POD, namespace="shop"), SETTINGS, spaces)
    made = patched(POD, answer)
    assert [each["name"] for each in made["spec"]["containers"]] == ["web", "istio-proxy"]
    assert injector.STATUS in made["metadata"]["annotations"]
    assert patched(made, injection.answer(review(made), SETTINGS, spaces)) == made, "asked again"


def test_a_pod_that_wants_no_proxy_is_left_as_it_is() -> None:
    pod = {**POD, "metadata": {"labels": {injector.INJECT: "false"}}}
    assert patched(pod, injection.answer(review(pod), SETTINGS, {})) == pod


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"request": 1}', b'{"request": {}}', b"null"]
)
def test_what_is_no_review_is_refused_in_words(body: bytes) -> None:
    answer = injection.answer(body, SETTINGS, {})
    assert answer.status == 400
    assert b"AdmissionReview" in answer.body


@pytest.mark.parametrize(
    "pod", [None, [], 1, {"spec": 3}, {"metadata": 3}, {"spec": {"containers": 1}}]
)
def test_a_pod_of_no_sense_is_refused_too(pod: Any) -> None:
    assert injection.answer(review(pod), SETTINGS, {}).status in (200, 400)
