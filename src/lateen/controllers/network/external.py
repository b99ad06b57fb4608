"""What stands in for the world outside: a pod without a sidecar for each host that the settings
name. Pure.

No Service selects these pods, so no proxy knows them: to the mesh they are as foreign as the
internet. The lab's DNS answers for their names.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence

import msgspec

from lateen.base.jsonvalue import Json
from lateen.controllers.injection import injector
from lateen.controllers.network.ingress import MADE_FROM
from lateen.model.external import (
    ADDRESSES,
    HOSTS,
    IMAGE,
    NAMESPACE,
    ExternalHost,
    certificate_names,
)

TLS_PORT, PLAIN_PORT = 443, 80
_LABEL = 63
_FRONT = "tls"
_MOUNT = "/etc/external"


class Signed(msgspec.Struct, frozen=True):
    """A host's certificate with its chain, and its key, in PEM."""

    chain: str
    key: str


class Serving(msgspec.Struct, frozen=True):
    """Where an image serves without TLS, and what it has in use already."""

    port: int
    taken: tuple[int, ...] = ()
    alpn: tuple[str, ...] = ()
    """What it can be asked for over TLS."""


Sign = Callable[[Sequence[str]], Signed]
Serves = Callable[[ExternalHost], Serving]


def objects(
    hosts: Iterable[ExternalHost], serves: Serves, sign: Sign, root: str
) -> list[tuple[str, Json]]:
    """Return (resource, object): the namespace, and a Secret and a Deployment per host.

    `root` is the PEM of the authority that signs; a host whose names and root stay the same keeps
    its certificate. Hosts with an address of their own are written on the namespace.
    """
    every = tuple(hosts)
    if not every:
        return []
    own = [each for each in every if each.image]
    made: list[tuple[str, Json]] = [("namespaces", _namespace(every))]
    for name, each in zip(names(own), own, strict=True):
        made.append(("secrets", _secret(name, each, sign, root)))
        made.append(("deployments.apps", _deployment(name, each, serves(each))))
    return made


def _namespace(hosts: Sequence[ExternalHost]) -> Json:
    given = [f"{each.host}={each.address}" for each in hosts if each.address]
    meta: Json = {"name": NAMESPACE, "labels": {"istio-injection": "disabled"}}
    meta["annotations"] = {ADDRESSES: ",".join(given)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta}


def names(hosts: Sequence[ExternalHost]) -> list[str]:
    """Return an object's name for each host, no two alike: `www-example-com`."""
    plain = [each.host.replace("*", "any").replace(".", "-") for each in hosts]
    found = []
    for name, each in zip(plain, hosts, strict=True):
        digest = hashlib.sha256(each.host.encode()).hexdigest()[:8]
        clear = plain.count(name) == 1 and len(name) <= _LABEL - 20
        found.append(name if clear else f"{name[: _LABEL - 30].rstrip('-')}-{digest}")
    return found


def _secret(name: str, host: ExternalHost, sign: Sign, root: str) -> Json:
    certified = certificate_names(host.host)
    signed = sign(certified)
    text = "\n".join((*certified, root))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    data = {"tls.crt": _encoded(signed.chain), "tls.key": _encoded(signed.key)}
    meta = {"name": name, "namespace": NAMESPACE, "annotations": {MADE_FROM: digest}}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": meta,
        "data": data,
    }


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _deployment(name: str, host: ExternalHost, serving: Serving) -> Json:
    labels = {"app": name}
    annotations = {HOSTS: host.host, injector.INJECT: "false"}
    app: Json = {"name": "app", "image": host.image}
    if host.args:
        app["args"] = list(host.args)
    front = _front(serving)
    pod = {
        "containers": [app, front] if front else [app],
        "volumes": [{"name": _FRONT, "secret": {"secretName": name}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": dict(labels)},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": dict(labels)},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": pod,
            },
        },
    }


def _front(serving: Serving) -> Json | None:
    """Return the container that ends TLS, and that serves on port 80 what the image serves on
    another; None where the image has both ports itself."""
    words = ["--to", str(serving.port)]
    if TLS_PORT not in serving.taken:
        words += ["--tls-port", str(TLS_PORT), "--certificate", f"{_MOUNT}/tls.crt"]
        words += ["--key", f"{_MOUNT}/tls.key"]
        words += ["--alpn", ",".join(serving.alpn)] if serving.alpn else []
    if PLAIN_PORT not in serving.taken:
        words += ["--port", str(PLAIN_PORT)]
    if len(words) == 2:
        return None
    mount = {"name": _FRONT, "mountPath": _MOUNT, "readOnly": True}
    return {
        "name": _FRONT,
        "image": IMAGE,
        "args": words,
        "volumeMounts": [mount],
    }
