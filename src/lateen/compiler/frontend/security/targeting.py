"""For which workloads a policy is: by its selector, unless it names targets. Pure."""

from collections.abc import Mapping

from lateen.compiler.ir.proxy import Features
from lateen.model.istio.security import AuthorizationPolicySpec, RequestAuthenticationSpec

Spec = AuthorizationPolicySpec | RequestAuthenticationSpec


def selects(spec: Spec, labels: Mapping[str, str], features: Features) -> bool:
    """Whether a policy of the workload's namespace, or of the root namespace, is for it.

    A policy with a target is for gateways of the Gateway API and waypoints only. Before a version
    knew targets, its schema dropped them: then the policy is for everything.
    """
    if targets(spec, features):
        return False
    wanted = spec.selector.match_labels if spec.selector is not None else {}
    return all(labels.get(key) == value for key, value in wanted.items())


def targets(spec: Spec, features: Features) -> str:
    """Return the field by which a policy names its targets, or the empty string."""
    if spec.target_ref is not None and features.authz_target_ref:
        return "targetRef"
    return "targetRefs" if spec.target_refs and features.authz_target_refs else ""
