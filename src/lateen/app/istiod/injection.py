"""What istiod's webhook answers: the pod of an AdmissionReview with its proxy, as a patch. Pure.

The lab injects by itself when a pod is created. The webhook is for tools that ask it beforehand,
as `istioctl kube-inject` does.
"""

import base64
from collections.abc import Mapping

import msgspec

from lateen.app.istiod.debug import Answer
from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields
from lateen.controllers.injection import injector

_NO_REVIEW = "the body is no AdmissionReview (admission.k8s.io/v1) of a Pod"


def answer(
    body: bytes, settings: injector.InjectionSettings, namespaces: Mapping[str, JsonView]
) -> Answer:
    """Answer `POST /inject`: an AdmissionReview with a JSON patch, or 400 for what is none.

    Istio's webhook asks nothing of the namespace: by whom it is asked is for its selectors. So does
    this one: only what the pod itself says keeps a proxy away. `namespaces` are those of the lab;
    a pod of another one is taken as one of a namespace that says nothing."""
    try:
        review = msgspec.json.decode(body)
        request = review["request"]
        pod = request["object"]
        space = str(request.get("namespace") or fields.namespace(pod) or "default")
        uid = str(request.get("uid", ""))
        patch = _patch(pod, namespaces.get(space) or _silent(space), settings)
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return Answer(_NO_REVIEW.encode(), 400, "text/plain")
    said: Json = {"uid": uid, "allowed": True}
    if patch:
        said["patchType"] = "JSONPatch"
        said["patch"] = base64.b64encode(msgspec.json.encode(patch)).decode()
    made = {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": said}
    return Answer(msgspec.json.encode(made))


def _patch(
    pod: JsonView, namespace: JsonView, settings: injector.InjectionSettings
) -> list[JsonView]:
    """Return the changes that injection makes; none where the pod has a proxy or wants none."""
    labels = {injector.NAMESPACE_LABEL: "enabled"}
    asked = {**namespace, "metadata": {**fields.meta(namespace), "labels": labels}}
    made = injector.inject(pod, asked, settings)
    return [
        {"op": "add", "path": f"/{part}", "value": made[part]}
        for part in ("metadata", "spec")
        if made.get(part) != pod.get(part)
    ]


def _silent(name: str) -> JsonView:
    return {"metadata": {"name": name}}
