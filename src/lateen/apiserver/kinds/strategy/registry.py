"""Which strategy a resource has. Pure."""

from collections.abc import Mapping

from lateen.apiserver.kinds.strategy import (
    access,
    base,
    objects,
    pods,
    policies,
    services,
    stored,
    workloads,
)

STRATEGIES: Mapping[str, base.Strategy] = {
    **pods.STRATEGIES,
    **services.STRATEGIES,
    **workloads.STRATEGIES,
    **objects.STRATEGIES,
    **access.STRATEGIES,
    **stored.STRATEGIES,
    **policies.STRATEGIES,
}

_GENERIC = base.Standard()


def strategy_for(resource: str) -> base.Strategy:
    """Return the strategy of a resource (`pods`, `deployments.apps`): the kind's own, or the
    generic one, which keeps the status apart and counts generations."""
    return STRATEGIES.get(resource, _GENERIC)
