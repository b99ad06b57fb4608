"""What applications speak, by their images: ports, TLS, answers."""

import itertools
import re
from collections.abc import Mapping, Sequence

from lateen.model.kube.core import container as core_container, pod as core_pod
from lateen.node.images import catalogue
from lateen.node.images.spec import ImageContext
from lateen.predict.values.facts import Answer, Speech
from lateen.predict.values.request import Credential

_WEB = "lateen.node.standins.web"
_TCP = "lateen.node.standins.tcp.echo"
_PROXY = "istio-proxy"
_ANY = (Answer(path=".*"),)
_PAGE = (Answer(path="/(index\\.html)?"),)
_HTTPBIN = (
    Answer(path="/status/(?P<status>[2-5][0-9][0-9])", status=None),
    Answer(path="/delay/(?P<seconds>[0-9](\\.[0-9]+)?|10)"),
    Answer(path="/(get|headers|ip|user-agent|anything(/.*)?|uuid|html|json|xml)?"),
)
_ANSWERS: Mapping[str, tuple[Answer, ...] | None] = {
    "nginx": _PAGE,
    "nginx-demo": _PAGE,
    "httpd": _PAGE,
    "text": _ANY,
    "hello-app": _ANY,
    "helloworld": (Answer(path="/hello"), Answer(path="/health")),
    "httpbin": _HTTPBIN,
    "go-httpbin": _HTTPBIN,
    "whoami": (Answer(path="/health", status=None), Answer(path="/.*")),
    "echo-json": _ANY,
    "echo-mendhak": _ANY,
    "echo-text": _ANY,
    "echo-k8s": _ANY,
    "bookinfo-details": (Answer(path="/details/[0-9]+"), Answer(path="/health")),
    "bookinfo-ratings": (Answer(path="/ratings/[0-9]+"), Answer(path="/health")),
    "bookinfo-reviews": (Answer(path="/reviews/[0-9]+"), Answer(path="/health")),
    "bookinfo-productpage": (Answer(path="/(productpage)?"), Answer(path="/health")),
}
"""By kind of stand-in: what is answered to GET; to all else 404, or what it says itself."""
_ONLY_GET = frozenset({"nginx", "nginx-demo", "httpd"})


def speeches(pod: core_pod.Pod, images: Mapping[str, Sequence[str]]) -> Mapping[int, Speech] | None:
    """Return what a pod's applications speak, by port; None where one of them is not known."""
    found: dict[int, Speech] = {}
    for container in pod.spec.containers:
        if container.name == _PROXY:
            continue
        own = _of(container, images)
        if own is None:
            return None
        found.update(own)
    return found


def _of(
    container: core_container.Container, images: Mapping[str, Sequence[str]]
) -> Mapping[int, Speech] | None:
    try:
        image = catalogue.resolve(container.image, images)
    except ValueError:
        return None
    if image is None:
        return None
    env = {each.name: each.value for each in container.env if each.value}
    context = ImageContext(
        work="/",
        cache="/",
        python=("python",),
        command=container.command,
        args=container.args,
        env=env,
    )
    argv = image.argv(context)
    if "-m" in argv:
        return _of_standin(argv, argv[argv.index("-m") + 1])
    idle = bool(argv) and argv[0].rpartition("/")[2] in ("sleep", "pause", "tail")
    shell = bool(re.fullmatch(r"(ba|da|a)?sh", argv[0].rpartition("/")[2])) if argv else False
    if idle or (shell and len(argv) == 3 and re.fullmatch(r"(exec )?sleep \S+", argv[2])):
        return {}
    return None


def _of_standin(argv: Sequence[str], module: str) -> Mapping[int, Speech] | None:
    words = list(itertools.pairwise(argv))
    if module == _TCP:
        ports = [int(port) for word in argv for port in re.findall(r"^\d+(?:,\d+)*$", word)]
        return {port: Speech(http=False, answers=(), garbage="echo") for port in ports}
    if module != _WEB:
        return None
    kind = next((value for word, value in words if word == "--kind"), "")
    status = next((v for w, v in words if w == "--option" and v.startswith("status-code=")), "")
    answers = _ANSWERS.get(kind)
    if status and status.rpartition("=")[2].isdigit():
        answers = (Answer(path=".*", status=int(status.rpartition("=")[2])),)
    otherwise = 404 if answers is not None else None
    http2 = True
    found = {
        int(value): Speech(answers=answers, otherwise=otherwise, http2=http2)
        for word, value in words
        if word == "--port"
    }
    own = Credential(
        dns=("localhost",), subject="CN=localhost", signers=(f"image {kind}",), self_signed=True
    )
    for word, value in words:
        if word == "--tls-port":
            found[int(value)] = Speech(
                certificate=own, answers=answers, otherwise=otherwise, http2=http2, plain_on_tls=400
            )
    return found


__all__ = ["speeches"]
