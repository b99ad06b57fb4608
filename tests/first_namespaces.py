"""What a new lab's API holds before anybody writes: the namespaces of a cluster and Istio's own."""

from lateen.apiserver.writing import verbs
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease", "istio-system")


def ensure(api: verbs.Api) -> None:
    """Create what is missing. Namespaces that are being terminated are left alone."""
    target = api.target("namespaces")
    for name in NAMESPACES:
        body: Json = {"metadata": {"name": name}}
        try:
            api.create(target, body, verbs.WriteOptions())
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
