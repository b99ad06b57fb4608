"""What proxies really have: files of their admin's dumps, or each proxy asked by exec.

Asking takes the right to `create pods/exec`, as istioctl's way does.
"""

import json
import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.connection import kubeconfig
from lateen.cli.connection.kubeconfig import Access
from lateen.model import wellknown
from lateen.model.client import ApiError

if TYPE_CHECKING:
    from lateen.app.api.config_dumps import ConfigDump

LIVE = "live"
"""The word for asking the proxies themselves."""
_COMMAND = ("pilot-agent", "request", "GET", "config_dump?include_eds")
_AT_ONCE = 8
_STDOUT, _STDERR, _STATUS = 1, 2, 3
_SECONDS = 30.0


def read(
    words: Sequence[str], pods: Sequence[Mapping[str, Any]], kube: tuple[str, str]
) -> "list[ConfigDump]":
    """Return the dumps that files and folders hold, and with `live` those of all proxies among
    `pods`, reached by a kubeconfig and a context of it.

    Raises LabError, naming the file, or the proxy and why it does not tell.
    """
    from lateen.app.api import config_dumps

    try:
        found = [
            config_dumps.read(path.read_text(encoding="utf-8"), str(path))
            for word in words
            if word != LIVE
            for path in _files(word)
        ]
        if LIVE in words:
            texts = _asked(pods, kubeconfig.read(*kube))
            found += [config_dumps.read(text, name) for name, text in texts.items()]
    except (config_dumps.DumpError, UnicodeDecodeError) as error:
        raise LabError(str(error), exits.UNPARSABLE) from error
    except OSError as error:
        raise LabError(f"{error.filename or 'the proxies'}: {error.strerror or error}") from error
    return found


def _files(word: str) -> list[Path]:
    """Return a file, or those of a folder that are called POD.NAMESPACE.json."""
    path = Path(word)
    if not path.is_dir():
        return [path]
    return [each for each in sorted(path.glob("*.json")) if "." in each.stem]


def _asked(pods: Sequence[Mapping[str, Any]], access: Access) -> dict[str, str]:
    """Return what each proxy answers, by `POD.NAMESPACE.json`."""
    proxies = [pod for pod in pods if has_proxy(pod)]
    names = [f"{p['metadata']['name']}.{p['metadata']['namespace']}.json" for p in proxies]
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        return dict(zip(names, threads.map(lambda pod: _ask(pod, access), proxies), strict=True))


def has_proxy(pod: Mapping[str, Any]) -> bool:
    """Whether a pod runs one of Istio's proxies."""
    spec = pod["spec"]
    every = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    running = (pod.get("status") or {}).get("phase") == "Running"
    return running and any(each.get("name") == wellknown.PROXY for each in every)


def _ask(pod: Mapping[str, Any], access: Access) -> str:
    name, namespace = pod["metadata"]["name"], pod["metadata"]["namespace"]
    query = [("container", wellknown.PROXY), ("stdout", "true"), ("stderr", "true")]
    query += [("command", word) for word in _COMMAND]
    target = f"{access.path}/api/v1/namespaces/{namespace}/pods/{name}/exec?{urlencode(query)}"
    try:
        told, failed = _executed(access, target)
    except ApiError as error:
        right = ": the right to create pods/exec is needed" if error.code in (401, 403) else ""
        raise LabError(f"{namespace}/{name}: {error.message}{right}", exits.FAILED) from error
    if failed:
        raise LabError(f"{namespace}/{name}: {' '.join(_COMMAND)}: {failed}", exits.FAILED)
    return told


def _executed(access: Access, target: str) -> tuple[str, str]:
    """Return what a command in a container prints, and what went wrong, empty if nothing."""
    from lateen.cli.connection.channel import Channel

    plain = socket.create_connection((access.host, access.port), timeout=_SECONDS)
    name = access.server_name or access.host
    opened = access.tls().wrap_socket(plain, server_hostname=name)
    url = f"wss://{access.host}:{access.port}{target}"
    parts: dict[int, list[bytes]] = {_STDOUT: [], _STDERR: [], _STATUS: []}
    with Channel(opened, url, access.token) as channel:
        for message in channel:
            parts.get(message[0] if message else 0, []).append(message[1:])
    told, errors, status = (b"".join(parts[n]).decode() for n in (_STDOUT, _STDERR, _STATUS))
    ended = json.loads(status or "{}")
    failed = ended.get("status") != "Success"
    return told, (errors.strip() or str(ended.get("message", "no answer"))) if failed else ""
