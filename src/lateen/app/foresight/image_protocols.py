"""What applications speak, by their images: ports, TLS, answers."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from lateen.model import wellknown
from lateen.model.kube.core import container as core_container, pod as core_pod
from lateen.node.images import catalogue
from lateen.node.images.speech import AppPort
from lateen.predict.values.facts import PathAnswer, Speech
from lateen.predict.values.request import Credential

_PROXY = wellknown.PROXY
_READ = ("GET", "HEAD")
_ASKED = ("OPTIONS",)
"""Which a site answers with what it allows."""


class _Site(msgspec.Struct, frozen=True):
    """What a kind of stand-in answers: to paths, and to all else."""

    answers: tuple[PathAnswer, ...]
    otherwise: int | None = 404


_ANY = _Site((PathAnswer(path=".*"),))
_UNSURE = _Site((PathAnswer(path="/health"),), None)
_STATIC = _Site(
    (
        PathAnswer(path="/(index\\.html)?", methods=_READ),
        PathAnswer(path="/(index\\.html)?", status=405),
        PathAnswer(path=".*", methods=(*_READ, "POST"), status=404),
    ),
    405,
)
_HTTPBIN = _Site(
    (
        PathAnswer(path="/(status|delay)/[^/]+|/anything/.*", methods=_ASKED),
        PathAnswer(
            path="/(anything|get|headers|ip|user-agent|uuid|html|json|xml)?", methods=_ASKED
        ),
        PathAnswer(path="/status/(?P<status>[2-5][0-9][0-9])", status=None),
        PathAnswer(path="/status/[^/,:]+", status=400),
        PathAnswer(path="/delay/(?P<seconds>[0-9](\\.[0-9]+)?|10)"),
        PathAnswer(path="/anything(/.*)?"),
        PathAnswer(path="/(get|headers|ip|user-agent|uuid|html|json|xml)?", methods=_READ),
        PathAnswer(path="/(get|headers|ip|user-agent|uuid|html|json|xml)?", status=405),
    )
)
_SITES: Mapping[str, _Site] = {
    "nginx": _STATIC,
    "nginx-demo": _STATIC,
    "text": _ANY,
    "hello-app": _ANY,
    "helloworld": _Site((PathAnswer(path="/hello", methods=_READ),), None),
    "httpbin": _HTTPBIN,
    "go-httpbin": _HTTPBIN,
    "echo-json": _ANY,
    "echo-mendhak": _ANY,
    "echo-text": _ANY,
    "echo-k8s": _ANY,
    "bookinfo-details": _Site((PathAnswer(path="/details/[0-9]+", methods=_READ),), None),
    "bookinfo-ratings": _Site((PathAnswer(path="/ratings/[0-9]+", methods=_READ),), None),
    "bookinfo-reviews": _Site((PathAnswer(path="/reviews/[0-9]+", methods=_READ),), None),
    "bookinfo-productpage": _Site((PathAnswer(path="/productpage", methods=_READ),), None),
}
"""By kind of stand-in. What is not said here has a status that is not known."""


_SUBJECTS = {"nginx-demo": ("lb.net", "CN=lb.net,O=SSL EXAMPLE")}
"""Whose name is in a kind's own certificate, and its subject as Envoy writes it."""


def speeches(pod: core_pod.Pod, images: Mapping[str, Sequence[str]]) -> Mapping[int, Speech] | None:
    """Return what a pod's applications speak, by port; None where one of them is not known."""
    found: dict[int, Speech] = {}
    real = _real(pod)
    for container in pod.spec.containers:
        if container.name == _PROXY:
            continue
        if container.name in real:
            return None
        own = _of(container, images)
        if own is None:
            return None
        found.update(own)
    return found


def _real(pod: core_pod.Pod) -> frozenset[str]:
    """Return the containers of which an image runs, whatever the catalogue has under its name. A
    pod of manifests alone has no status yet."""
    return frozenset(one.name for one in pod.status.container_statuses if "@" in one.image_id)


def _of(
    container: core_container.Container, images: Mapping[str, Sequence[str]]
) -> Mapping[int, Speech] | None:
    env = {each.name: each.value for each in container.env if each.value}
    ports = catalogue.listening(
        container.image,
        command=container.command,
        args=container.args,
        env=env,
        mounts=[mount.mount_path for mount in container.volume_mounts],
        overrides=images,
    )
    if ports is None:
        return {} if _idle((*container.command, *container.args)) else None
    try:
        image = catalogue.resolve(container.image, images)
    except ValueError:
        return None
    kind = image.kind if image is not None else ""
    status = _written_status((*container.command, *container.args))
    return {each.port: _speech(each, kind, status) for each in ports}


def _idle(words: Sequence[str]) -> bool:
    """Whether a command does nothing but wait."""
    if words and words[0].rpartition("/")[2] == "sleep":
        return True
    shell = len(words) == 3 and bool(re.fullmatch(r"(.*/)?(ba|da|a)?sh", words[0]))
    return shell and bool(re.fullmatch(r"(exec )?sleep \S+", words[2]))


def _written_status(words: Sequence[str]) -> int | None:
    """The status that `hashicorp/http-echo` is told to answer with."""
    for word in words:
        found = re.fullmatch(r"-{1,2}status-code=(\d{3})", word)
        if found:
            return int(found[1])
    return None


def _speech(port: AppPort, kind: str, status: int | None) -> Speech:
    site = _SITES.get(kind)
    if status is not None and kind == "text":
        site = _Site((PathAnswer(path=".*", status=status),))
    name, subject = _SUBJECTS.get(kind, ("localhost", "CN=localhost"))
    own = Credential(dns=(name,), subject=subject, signers=(f"image {kind}",), self_signed=True)
    return Speech(
        certificate=own if port.tls else None,
        versions=port.http,
        alpn=port.alpn,
        strict_alpn=port.strict_alpn,
        answers=site.answers if site is not None else None,
        otherwise=site.otherwise if site is not None else None,
        plain_on_tls=400 if port.tls and kind.startswith("nginx") else None,
        garbage="answer" if port.http else "echo",
        server_first=port.first == "server",
        local=port.bind.startswith("127."),
    )
