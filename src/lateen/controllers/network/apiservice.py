"""The Service `kubernetes` in default, by which pods find the API server. Pure."""

from lateen.base.jsonvalue import Json

NAME = "kubernetes"
ADDRESS = "10.96.0.1"
"""The first address of the Services' network, as in every cluster."""
PORT = 6443
_LABELS = {"component": "apiserver", "provider": "kubernetes"}


def objects(server: str) -> list[tuple[str, Json]]:
    """Return (resource, object) of the Service and its Endpoints, which have no selector.

    `server` is the address at which pods reach the API server.
    """
    port = {"name": "https", "protocol": "TCP"}
    service = _object("Service", {**_LABELS})
    service["spec"] = {
        "type": "ClusterIP",
        "clusterIP": ADDRESS,
        "ports": [{**port, "port": 443, "targetPort": PORT}],
    }
    endpoints = _object("Endpoints", {})
    endpoints["subsets"] = [{"addresses": [{"ip": server}], "ports": [{**port, "port": PORT}]}]
    return [("services", service), ("endpoints", endpoints)]


def _object(kind: str, labels: dict[str, str]) -> Json:
    meta = {"name": NAME, "namespace": "default", "labels": labels}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta}
