"""NetworkPolicy of the `networking.k8s.io` API group. Pure."""

from typing import Annotated

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import IntOrString, KubeObject, LabelSelector


class NetworkPolicyPort(KubeStruct, frozen=True, kw_only=True):
    """A port, or a range of them, that traffic may go to."""

    protocol: Annotated[
        str | None, doc("TCP (default), UDP or SCTP.", enum=("SCTP", "TCP", "UDP"))
    ] = None
    port: Annotated[IntOrString | None, doc("Number or name; none: every port.")] = None
    end_port: Annotated[int | None, doc("Last port of a range that begins with `port`.")] = None


class IPBlock(KubeStruct, frozen=True, kw_only=True):
    """A range of addresses."""

    cidr: Annotated[str, doc("The range, such as 192.168.1.0/24.", required=True)] = ""
    except_: Annotated[tuple[str, ...], doc("Ranges in it that do not count.", atomic=True)] = ()


class NetworkPolicyPeer(KubeStruct, frozen=True, kw_only=True):
    """Who may be at the other end."""

    pod_selector: Annotated[
        LabelSelector | None, doc("Pods, of this namespace if no other is selected.")
    ] = None
    namespace_selector: Annotated[LabelSelector | None, doc("Namespaces of the pods.")] = None
    ip_block: Annotated[IPBlock | None, doc("Addresses; excludes the other two.")] = None


class NetworkPolicyIngressRule(KubeStruct, frozen=True, kw_only=True):
    """Traffic that may come in: it matches a port and a peer."""

    ports: Annotated[
        tuple[NetworkPolicyPort, ...], doc("Ports it may go to; none: all.", atomic=True)
    ] = ()
    from_: Annotated[
        tuple[NetworkPolicyPeer, ...], doc("Where it may come from; none: anywhere.", atomic=True)
    ] = ()


class NetworkPolicyEgressRule(KubeStruct, frozen=True, kw_only=True):
    """Traffic that may go out: it matches a port and a peer."""

    ports: Annotated[
        tuple[NetworkPolicyPort, ...], doc("Ports it may go to; none: all.", atomic=True)
    ] = ()
    to: Annotated[
        tuple[NetworkPolicyPeer, ...], doc("Where it may go; none: anywhere.", atomic=True)
    ] = ()


class NetworkPolicySpec(KubeStruct, frozen=True, kw_only=True):
    """Which pods are shut off, and what they may do all the same."""

    pod_selector: Annotated[
        LabelSelector | None, doc("Pods it is for; empty: all of the namespace.")
    ] = None
    ingress: Annotated[
        tuple[NetworkPolicyIngressRule, ...], doc("What may come in.", atomic=True)
    ] = ()
    egress: Annotated[
        tuple[NetworkPolicyEgressRule, ...], doc("What may go out.", atomic=True)
    ] = ()
    policy_types: Annotated[
        tuple[Annotated[str, doc(enum=("Egress", "Ingress"))], ...],
        doc("Directions it is about.", atomic=True),
    ] = ()


class NetworkPolicy(KubeObject, frozen=True, kw_only=True):
    """Says with whom pods may exchange packets."""

    spec: Annotated[NetworkPolicySpec, doc("Which pods, and what they may.")] = NetworkPolicySpec()
