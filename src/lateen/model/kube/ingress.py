"""Ingress and IngressClass of the `networking.k8s.io` API group. Pure."""

from typing import Annotated, ClassVar

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject, TypedLocalObjectReference


class ServiceBackendPort(KubeStruct, frozen=True, kw_only=True):
    """A port of a Service, by name or by number."""

    ATOMIC: ClassVar[bool] = True

    name: Annotated[str, doc("Its name.")] = ""
    number: Annotated[int | None, doc("Its number.")] = None


class IngressServiceBackend(KubeStruct, frozen=True, kw_only=True):
    """A Service that answers."""

    name: Annotated[str, doc("Its name.", required=True)] = ""
    port: Annotated[ServiceBackendPort | None, doc("Its port.")] = None


class IngressBackend(KubeStruct, frozen=True, kw_only=True):
    """What answers: a Service or another object."""

    service: Annotated[IngressServiceBackend | None, doc("A Service.")] = None
    resource: Annotated[
        TypedLocalObjectReference | None, doc("An object of the namespace, no Service.")
    ] = None


class HTTPIngressPath(KubeStruct, frozen=True, kw_only=True):
    """A path, and what answers under it."""

    path: Annotated[str, doc("The path; begins with a slash.")] = ""
    path_type: Annotated[
        str | None,
        doc(
            "How the path is compared.",
            required=True,
            enum=("Exact", "ImplementationSpecific", "Prefix"),
        ),
    ] = None
    backend: Annotated[IngressBackend, doc("What answers.", required=True)] = IngressBackend()


class HTTPIngressRuleValue(KubeStruct, frozen=True, kw_only=True):
    """Paths of a host."""

    paths: Annotated[
        tuple[HTTPIngressPath, ...], doc("The paths.", required=True, atomic=True)
    ] = ()


class IngressRule(KubeStruct, frozen=True, kw_only=True):
    """A host, and what answers under its paths."""

    host: Annotated[str, doc("Its name, maybe with `*.` before it; none: every host.")] = ""
    http: Annotated[HTTPIngressRuleValue | None, doc("Its paths.")] = None


class IngressTLS(KubeStruct, frozen=True, kw_only=True):
    """A certificate for some hosts."""

    hosts: Annotated[tuple[str, ...], doc("Hosts in the certificate.", atomic=True)] = ()
    secret_name: Annotated[str, doc("Secret with certificate and key.")] = ""


class IngressSpec(KubeStruct, frozen=True, kw_only=True):
    """Which requests from outside go where."""

    ingress_class_name: Annotated[str | None, doc("IngressClass that serves it.")] = None
    default_backend: Annotated[IngressBackend | None, doc("Answers what no rule is for.")] = None
    tls: Annotated[tuple[IngressTLS, ...], doc("Certificates.", atomic=True)] = ()
    rules: Annotated[tuple[IngressRule, ...], doc("Hosts and paths.", atomic=True)] = ()


class IngressPortStatus(KubeStruct, frozen=True, kw_only=True):
    """State of a port."""

    port: Annotated[int, doc("The port.", required=True)] = 0
    protocol: Annotated[
        str, doc("TCP, UDP or SCTP.", required=True, enum=("SCTP", "TCP", "UDP"))
    ] = ""
    error: Annotated[str | None, doc("What is wrong with it.")] = None


class IngressLoadBalancerIngress(KubeStruct, frozen=True, kw_only=True):
    """An address of the load balancer."""

    ip: Annotated[str, doc("Address.")] = ""
    hostname: Annotated[str, doc("Name.")] = ""
    ports: Annotated[tuple[IngressPortStatus, ...], doc("State of its ports.", atomic=True)] = ()


class IngressLoadBalancerStatus(KubeStruct, frozen=True, kw_only=True):
    """What the load balancer gave."""

    ingress: Annotated[
        tuple[IngressLoadBalancerIngress, ...], doc("Its addresses.", atomic=True)
    ] = ()


class IngressStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of an Ingress."""

    load_balancer: Annotated[
        IngressLoadBalancerStatus | None, doc("What the load balancer gave.")
    ] = None


class Ingress(KubeObject, frozen=True, kw_only=True):
    """Lets requests from outside in, by host and path."""

    spec: Annotated[IngressSpec, doc("Which requests go where.")] = IngressSpec()
    status: Annotated[IngressStatus, doc("Observed state.")] = IngressStatus()


class IngressClassParametersReference(KubeStruct, frozen=True, kw_only=True):
    """Names an object with the controller's settings."""

    api_group: Annotated[str | None, doc("Its API group.")] = None
    kind: Annotated[str, doc("Its kind.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    scope: Annotated[
        str | None, doc("Cluster (default) or Namespace.", enum=("Cluster", "Namespace"))
    ] = None
    namespace: Annotated[str | None, doc("Its namespace, where it has one.")] = None


class IngressClassSpec(KubeStruct, frozen=True, kw_only=True):
    """Who serves Ingresses of a class."""

    controller: Annotated[str, doc("Name of the controller, with its domain.")] = ""
    parameters: Annotated[
        IngressClassParametersReference | None, doc("Settings of the controller.")
    ] = None


class IngressClass(KubeObject, frozen=True, kw_only=True):
    """A class of Ingresses, which one controller serves."""

    spec: Annotated[IngressClassSpec, doc("Who serves it.")] = IngressClassSpec()
