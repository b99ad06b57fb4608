"""What an installation of istiod asks of a control plane that is built in, and does not get. Pure.

Charts and istioctl write a Deployment and ConfigMaps. The mesh configuration among them holds. The
rest is said here when it is written, as warnings that kubectl, helm and istioctl print.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from lateen.apiserver.writing.admission import Review, Validator, Verdict
from lateen.base.jsonvalue import JsonView
from lateen.controllers.cluster import istiod
from lateen.controllers.engine import fields
from lateen.controllers.injection.injector import InjectionSettings

_USUAL = frozenset(
    (
        *("REVISION", "PILOT_CERT_PROVIDER", "POD_NAME", "POD_NAMESPACE", "SERVICE_ACCOUNT"),
        *("KUBECONFIG", "CA_TRUSTED_NODE_ACCOUNTS", "PILOT_TRACE_SAMPLING", "GOMAXPROCS"),
        *("PILOT_ENABLE_ANALYSIS", "CLUSTER_ID", "GOMEMLIMIT", "PLATFORM", "EXTERNAL_ISTIOD"),
    )
)
"""Variables that every installation sets: they say where istiod runs, not what the mesh does."""

_VALUES: Mapping[str, tuple[object, str]] = {
    "global.proxy.includeIPRanges": ("*", "includeOutboundIPRanges"),
    "global.proxy.excludeIPRanges": ("", "excludeOutboundIPRanges"),
    "global.proxy.includeOutboundPorts": ("", "includeOutboundPorts"),
    "global.proxy.excludeOutboundPorts": ("", "excludeOutboundPorts"),
    "global.proxy.includeInboundPorts": ("*", "includeInboundPorts"),
    "global.proxy.excludeInboundPorts": ("", "excludeInboundPorts"),
    "global.proxy.logLevel": ("warning", ""),
    "global.proxy.componentLogLevel": ("misc:error", ""),
    "sidecarInjectorWebhook.rewriteAppHTTPProbe": (True, ""),
    "sidecarInjectorWebhook.neverInjectSelector": ([], ""),
    "sidecarInjectorWebhook.alwaysInjectSelector": ([], ""),
    "sidecarInjectorWebhook.injectedAnnotations": ({}, ""),
}
"""Values of the chart that change what is injected: the default, and the annotation
`traffic.sidecar.istio.io/…` by which a pod has the same here."""

_UNLABELLED = "sidecarInjectorWebhook.enableNamespacesByDefault"


def checks(settings: InjectionSettings) -> tuple[Validator, ...]:
    """Return what is asked before an object is stored."""

    def installed(review: Review) -> Verdict:
        body = review.object or {}
        if review.subresource or fields.namespace(body) != settings.system_namespace:
            return Verdict()
        if review.info.resource == "deployments.apps":
            return Verdict(warnings=tuple(_deployment(body, settings)))
        if review.info.resource == "configmaps" and fields.name(body).startswith(istiod.INJECTOR):
            return Verdict(warnings=tuple(_injector(body, settings)))
        return Verdict()

    return (installed,)


def _deployment(body: JsonView, settings: InjectionSettings) -> Iterator[str]:
    template = fields.spec(body).get("template") or {}
    if istiod.recognized(template, settings.system_namespace) is None:
        return
    ours = settings.mesh.istio_version
    for container in fields.spec(template).get("containers") or ():
        names = (str(each.get("name", "")) for each in container.get("env") or ())
        unread = sorted({name for name in names if name and name not in _USUAL})
        if unread:
            yield (
                f"istiod is built in here: its variables {', '.join(unread)} have no effect; "
                "what the mesh configuration has (meshConfig) holds"
            )
        release = _release(str(container.get("image", "")))
        if release and release != _release(f":{ours}"):
            yield (
                f"istiod is built in here, and behaves as Istio {_release(f':{ours}')}, not "
                f'{release}: `istio: "{release}"` in lateen.yaml, or `lateen up --istio {release}`'
            )


def _release(image: str) -> str:
    """Return `1.32` of an image's tag `1.32.1-distroless`; nothing of a tag that is no release."""
    major, _, rest = image.rpartition("/")[2].partition(":")[2].partition(".")
    minor = rest.partition(".")[0]
    return f"{major}.{minor}" if major.isdigit() and minor.isdigit() else ""


def _injector(body: JsonView, settings: InjectionSettings) -> Iterator[str]:
    try:
        values = json.loads((body.get("data") or {}).get("values") or "{}")
    except ValueError:
        return
    for path, (usual, annotation) in _VALUES.items():
        found = _at(values, path)
        if found is None or found == usual:
            continue
        way = f"annotate pods with traffic.sidecar.istio.io/{annotation}" if annotation else ""
        yield f"injection is built in here: {path} has no effect" + (f"; {way}" if way else "")
    asked = _at(values, _UNLABELLED)
    if isinstance(asked, bool) and asked is not settings.inject_unlabelled:
        word = "true" if asked else "false"
        yield (
            f"injection is built in here: {_UNLABELLED} is {word} there and not in this lab; "
            f"`injectUnlabelled: {word}` in lateen.yaml says so"
        )


def _at(values: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(values, dict):
            return None
        values = values.get(name)
    return values
