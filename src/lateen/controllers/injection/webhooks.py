"""The webhooks that an installation of Istio registers for injection, one for each of its names.

They stand there to be listed and copied, as `istioctl tag` does: the lab injects by itself. A tag
is another name of the revision; whoever writes such an object adds one. Pure.
"""

import base64
from collections.abc import Iterable, Sequence

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields

RESOURCE = "mutatingwebhookconfigurations.admissionregistration.k8s.io"
DEFAULT = "default"
_TAG, _REVISION, _INJECT = "istio.io/tag", "istio.io/rev", "sidecar.istio.io/inject"
_INJECTION = "istio-injection"
_PATH = "/inject"
_NAME = "kubernetes.io/metadata.name"


UNINJECTED = ("kube-system", "kube-public", "kube-node-lease", "local-path-storage")
"""Namespaces that are never injected where nothing is said."""


def objects(
    revision: str, tags: Sequence[str], root: str, *, unlabelled: bool = False, ca_pem: str = ""
) -> list[tuple[str, Json]]:
    """Return (resource, object): the revision's own, and one for each tag. `root` is the root
    namespace; `unlabelled` adds who asks where no label says anything, as Istio's chart does for
    enableNamespacesByDefault; `ca_pem` is the CA by which the webhook's certificate is checked."""
    suffix = "" if revision == DEFAULT else f"-{revision}"
    usual = _usual(root) if revision == DEFAULT else []
    own = [*_named(revision, root), *usual, *(_silent(root) if unlabelled else ())]
    made = [_object(f"istio-sidecar-injector{suffix}", {_REVISION: revision}, own)]
    for tag in tags:
        labels = {_REVISION: revision, _TAG: tag}
        hooks = [*_named(tag, root), *(_usual(root) if tag == DEFAULT else ())]
        made.append(_object(f"istio-revision-tag-{tag}", labels, hooks))
    return [(RESOURCE, _trusting(each, ca_pem)) for each in made]


def _trusting(configuration: Json, ca_pem: str) -> Json:
    """Add the CA bundle to each webhook of a configuration; nothing without a CA."""
    bundle = base64.b64encode(ca_pem.encode()).decode()
    for hook in configuration["webhooks"] if ca_pem else ():
        hook["clientConfig"]["caBundle"] = bundle
    return configuration


def tags(found: Iterable[JsonView], revision: str) -> tuple[str, ...]:
    """Return the tags of a revision that objects say."""
    labels = (fields.labels(each) for each in found)
    named = (each[_TAG] for each in labels if each.get(_TAG) and each.get(_REVISION) == revision)
    return tuple(dict.fromkeys(named))


def _object(name: str, labels: dict[str, str], hooks: list[Json]) -> Json:
    every = {"app": "sidecar-injector", "operator.istio.io/component": "Pilot", **labels}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name, "labels": every},
        "webhooks": hooks,
    }


def _named(name: str, root: str) -> list[Json]:
    """Who asks by name: a namespace, or a pod of a namespace that says nothing."""
    space = [_in(_REVISION, name), _absent(_INJECTION)]
    pod = [_not_false(), _in(_REVISION, name)]
    return [
        _hook("rev.namespace", root, space, [_not_false()]),
        _hook("rev.object", root, [_absent(_REVISION), _absent(_INJECTION)], pod),
    ]


def _usual(root: str) -> list[Json]:
    """Who asks without a name."""
    silent = [_absent(_INJECTION), _absent(_REVISION)]
    pod = [_in(_INJECT, "true"), _absent(_REVISION)]
    return [
        _hook("namespace", root, [_in(_INJECTION, "enabled")], [_not_false()]),
        _hook("object", root, silent, pod),
    ]


def _silent(root: str) -> list[Json]:
    """Who asks where nothing is said: all but the namespaces that are left alone."""
    others = {"key": _NAME, "operator": "NotIn", "values": [*UNINJECTED, root]}
    space = [_absent(_INJECTION), _absent(_REVISION), others]
    return [_hook("auto", root, space, [_absent(_INJECT), _absent(_REVISION)])]


def _hook(name: str, root: str, namespaces: list[Json], pods: list[Json]) -> Json:
    service = {"name": "istiod", "namespace": root, "path": _PATH, "port": 443}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"]}
    return {
        "name": f"{name}.sidecar-injector.istio.io",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": service},
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "rules": [{**rule, "resources": ["pods"]}],
        "namespaceSelector": {"matchExpressions": namespaces},
        "objectSelector": {"matchExpressions": pods},
    }


def _in(key: str, value: str) -> Json:
    return {"key": key, "operator": "In", "values": [value]}


def _absent(key: str) -> Json:
    return {"key": key, "operator": "DoesNotExist"}


def _not_false() -> Json:
    return {"key": _INJECT, "operator": "NotIn", "values": ["false"]}
