"""The roles and bindings of a new lab."""

from lateen.apiserver.access import rbac
from lateen.apiserver.writing import verbs
from lateen.model.client import ApiError


class Roles:
    """Makes a cluster's roles when somebody first asks for any, which most labs never do."""

    def __init__(self, api: verbs.Api) -> None:
        self._api = api
        self._made = False

    def ensure(self) -> None:
        """Create what is missing; what is there is left as it is. Raises ApiError 507."""
        if self._made:
            return
        from lateen.apiserver.access import built_in_roles  # most labs never need it

        made = [(f"clusterroles.{rbac.GROUP}", one) for one in built_in_roles.roles()]
        made += [(f"clusterrolebindings.{rbac.GROUP}", one) for one in built_in_roles.bindings()]
        for resource, body in made:
            try:
                self._api.create(self._api.target(resource), body, verbs.WriteOptions())
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
        self._made = True
