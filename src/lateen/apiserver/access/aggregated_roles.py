"""ClusterRoles that are put together from others by labels.

A cluster has a controller for it; here it is done with the write that causes it, so that who asks
next sees it.
"""

from lateen.apiserver.access import rbac
from lateen.store import api as store_api

CLUSTER_ROLES = f"clusterroles.{rbac.GROUP}"
_DEEPEST = 4
"""How often roles that are put together are looked at again, since one may be a part of another."""


def settle(store: store_api.Store) -> None:
    """Bring the rules of every ClusterRole with an aggregationRule up to date."""
    for _ in range(_DEEPEST):
        roles = [entry.value for entry in store.list(CLUSTER_ROLES).entries]
        changed = False
        for role in roles:
            if not isinstance(role.get("aggregationRule"), dict):
                continue
            rules = rbac.aggregated(role, roles)
            if rules != (role.get("rules") or []):
                changed = True
                key = store_api.Key(CLUSTER_ROLES, "", role["metadata"]["name"])
                store.update(key, {**role, "rules": rules})
        if not changed:
            return
