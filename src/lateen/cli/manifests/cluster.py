"""What somebody else's cluster holds, as far as the compiler reads it: by get and list alone.

Secrets are not asked for: a certificate that is not known is told as not known.
"""

import http.client
import json
from collections.abc import Iterator

from lateen.app.lab.lab import LabError
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import kubeconfig
from lateen.cli.connection.kubeconfig import Access
from lateen.model.schema import kinds
from lateen.model.schema.kindinfo import KindInfo

_PAGE = 500
_NEVER = ("secrets", "sourcemaps.lateen.dev", "events")
_ALSO = frozenset(
    f"{name}.apps" for name in ("deployments", "replicasets", "statefulsets", "daemonsets")
) | {"jobs.batch"}
"""What the compiler does not read, but what makes pods from a changed manifest."""


def asked() -> tuple[KindInfo, ...]:
    """Return the kinds that are listed: `get` and `list` on each is all the right it takes."""
    found = (info for info in kinds.KINDS.values() if info.compiled or info.resource in _ALSO)
    return tuple(info for info in found if info.resource not in _NEVER)


def read(file: str, context: str) -> list[Json]:
    """Return all objects of the kinds that are asked for.

    Raises LabError, naming the right that is missing, or why the server does not answer.
    """
    access = kubeconfig.read(file, context)
    connection = http.client.HTTPSConnection(
        access.host, access.port, context=access.tls(), timeout=60
    )
    try:
        return [body for info in asked() for body in _listed(connection, access, info)]
    except (OSError, http.client.HTTPException) as error:
        where = f"{access.host}:{access.port}"
        raise LabError(f"context {access.context}: {where}: {error}", exits.FAILED) from error
    finally:
        connection.close()


def _listed(
    connection: http.client.HTTPSConnection, access: Access, info: KindInfo
) -> Iterator[Json]:
    """Yield the objects of a kind, page by page, in the first of its versions that is served."""
    for version in info.api_versions:
        group, _, number = version.rpartition("/")
        base = f"/apis/{group}/{number}" if group else f"/api/{number}"
        go_on = ""
        while True:
            query = f"?limit={_PAGE}" + (f"&continue={go_on}" if go_on else "")
            status, body = _get(connection, access, f"{base}/{info.plural}{query}")
            if status == 404:
                break
            if status != 200:
                raise LabError(_refusal(access, info, status, body), exits.FAILED)
            for each in body["items"]:
                yield {"apiVersion": version, "kind": info.kind, **each}
            go_on = str(body.get("metadata", {}).get("continue") or "")
            if not go_on:
                return


def _refusal(access: Access, info: KindInfo, status: int, body: Json) -> str:
    said = body.get("message") or f"status {status}"
    if status in (401, 403):
        right = f"the right to list {info.resource} in all namespaces is needed"
        return f"context {access.context}: {said}: {right}"
    return f"context {access.context}: list of {info.resource}: {said}"


def _get(connection: http.client.HTTPSConnection, access: Access, path: str) -> tuple[int, Json]:
    headers = {"Accept": "application/json", "User-Agent": "lateen"}
    if access.token:
        headers["Authorization"] = f"Bearer {access.token}"
    connection.request("GET", access.path + path, headers=headers)
    answer = connection.getresponse()
    raw = answer.read()
    try:
        body = json.loads(raw)
    except ValueError:
        body = {"message": raw[:200].decode(errors="replace").strip()}
    return answer.status, body


def version(bodies: list[Json]) -> str:
    """Return the Istio version that a cluster runs, by the image of its control plane: `1.27`.

    It is empty where there is none, or where the image's tag tells nothing.
    """
    for body in bodies:
        labels = body.get("metadata", {}).get("labels") or {}
        if body["kind"] != "Pod" or labels.get("app") != "istiod":
            continue
        for container in body["spec"].get("containers") or ():
            tag = str(container.get("image", "")).partition("@")[0].rpartition(":")[2]
            numbers = tag.split("-")[0].split(".")
            if len(numbers) >= 2 and all(each.isdigit() for each in numbers[:2]):
                return ".".join(numbers[:2])
    return ""
