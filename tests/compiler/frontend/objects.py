"""Random objects of every kind that the compiler reads."""

from typing import Any

from hypothesis import strategies as st

NAMESPACES = st.sampled_from(["default", "other", "istio-system"])
NAMES = st.sampled_from(["a", "b", "c"])
HOSTS = st.sampled_from(
    ["a", "b", "*", "*.default.svc.cluster.local", "a.other.svc.cluster.local", "x.example.com"]
)
TIMES = st.sampled_from([f"2024-01-0{day}T00:00:00Z" for day in range(1, 4)])
EXPORT = st.sampled_from([[], ["*"], ["."], ["other"], ["default", "."]])
MODES = st.sampled_from(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"])
TLS = st.sampled_from(
    [
        {},
        {"tls": {"mode": "DISABLE"}},
        {"tls": {"mode": "ISTIO_MUTUAL"}},
        {"tls": {"mode": "SIMPLE", "credentialName": "c"}},
        {"tls": {"mode": "MUTUAL"}},
        {"outlierDetection": {}},
        {
            "outlierDetection": {},
            "loadBalancer": {"localityLbSetting": {"failoverPriority": ["v", "app=a"]}},
        },
        {
            "loadBalancer": {
                "localityLbSetting": {"distribute": [{"from": "r/*", "to": {"r/*": 1}}]}
            }
        },
        {"tunnel": {"targetHost": "x", "targetPort": 1}, "retryBudget": {}},
        {"loadBalancer": {"simple": "PASSTHROUGH"}},
        {"loadBalancer": {"consistentHash": {"httpHeaderName": "x"}}},
        {"portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "SIMPLE"}}]},
    ]
)
PORT = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["http", "tcp-x", "https", "grpc", "", "odd"]),
        "port": st.sampled_from([80, 443, 8080, 15001]),
        "targetPort": st.sampled_from([80, 8080, "web"]),
    }
)


def _object(api: str, kind: str, spec: Any, **more: Any) -> st.SearchStrategy[dict[str, Any]]:
    meta = st.fixed_dictionaries(
        {"name": NAMES, "namespace": NAMESPACES, "creationTimestamp": TIMES, **more}
    )
    return st.fixed_dictionaries(
        {"apiVersion": st.just(api), "kind": st.just(kind), "metadata": meta, "spec": spec}
    )


SERVICE = _object(
    "v1",
    "Service",
    st.fixed_dictionaries(
        {"ports": st.lists(PORT, max_size=2, unique_by=lambda p: p["port"])},
        optional={
            "selector": st.fixed_dictionaries({"app": NAMES}),
            "clusterIP": st.sampled_from(["", "None", "10.0.0.1"]),
            "type": st.sampled_from(["ClusterIP", "ExternalName"]),
            "externalName": st.sampled_from(["a.default.svc.cluster.local", "example.com"]),
        },
    ),
)
CONTAINERS = st.sampled_from(
    [
        [{"name": "app"}],
        [{"name": "app", "ports": [{"name": "web", "containerPort": 9}]}, {"name": "istio-proxy"}],
        [{"name": "istio-proxy", "args": ["proxy", "router"]}],
    ]
)
LABELS = st.fixed_dictionaries(
    {"app": NAMES, "istio": st.just("ingressgateway")},
    optional={
        "security.istio.io/tlsMode": st.just("istio"),
        "v": st.sampled_from("12"),
        "istio-locality": st.sampled_from(["r.z", "r.y", "q.z"]),
    },
)
POD = _object("v1", "Pod", st.fixed_dictionaries({"containers": CONTAINERS}), labels=LABELS)
RULE = _object(
    "networking.istio.io/v1",
    "DestinationRule",
    st.fixed_dictionaries(
        {"host": HOSTS, "exportTo": EXPORT, "trafficPolicy": TLS},
        optional={
            "subsets": st.just([{"name": "v1", "labels": {"v": "1"}}]),
            "workloadSelector": st.fixed_dictionaries(
                {"matchLabels": st.fixed_dictionaries({"app": NAMES})}
            ),
        },
    ),
)
DESTINATION = st.fixed_dictionaries(
    {
        "destination": st.fixed_dictionaries(
            {"host": st.sampled_from(["a", "b", "gone", "a.other.svc.cluster.local"])},
            optional={"subset": st.just("v1"), "port": st.just({"number": 80})},
        )
    },
    optional={"weight": st.sampled_from([0, 10, 90])},
)
MATCH = st.fixed_dictionaries(
    {},
    optional={
        "uri": st.sampled_from([{"prefix": "/"}, {"exact": "/x"}, {"regex": ".*"}, {}]),
        "port": st.sampled_from([80, 443]),
        "sourceLabels": st.fixed_dictionaries({"app": NAMES}),
        "gateways": st.sampled_from([["mesh"], ["a"], ["default/b"]]),
    },
)
HTTP = st.fixed_dictionaries(
    {},
    optional={
        "match": st.lists(MATCH, max_size=2),
        "route": st.lists(DESTINATION, max_size=2),
        "delegate": st.fixed_dictionaries({"name": NAMES, "namespace": NAMESPACES}),
        "redirect": st.just({"uri": "/y"}),
    },
)
LAYER4 = st.lists(
    st.fixed_dictionaries(
        {"route": st.lists(DESTINATION, min_size=1, max_size=1)},
        optional={"match": st.just([{"port": 443}])},
    ),
    max_size=1,
)
ROUTES = _object(
    "networking.istio.io/v1",
    "VirtualService",
    st.fixed_dictionaries(
        {
            "hosts": st.lists(HOSTS, max_size=2),
            "gateways": st.sampled_from(
                [[], ["mesh"], ["default/b"], ["mesh", "default/b"], ["a"]]
            ),
            "exportTo": EXPORT,
            "http": st.lists(HTTP, max_size=2),
            "tcp": LAYER4,
        },
        optional={
            "tls": st.just(
                [
                    {
                        "match": [{"sniHosts": ["s.example.com"]}],
                        "route": [{"destination": {"host": "a"}}],
                    }
                ]
            )
        },
    ),
)
SERVER = st.fixed_dictionaries(
    {
        "port": st.fixed_dictionaries(
            {
                "number": st.sampled_from([80, 443, 0]),
                "name": st.just("p"),
                "protocol": st.sampled_from(["HTTP", "HTTPS", "TLS", "TCP", "odd"]),
            }
        ),
        "hosts": st.lists(st.sampled_from(["*", "./a.example.com", "x.example.com"]), max_size=2),
    },
    optional={
        "tls": st.sampled_from(
            [
                {"mode": "SIMPLE", "credentialName": "c"},
                {"mode": "MUTUAL"},
                {"mode": "PASSTHROUGH"},
                {"mode": "AUTO_PASSTHROUGH"},
                {"mode": "ISTIO_MUTUAL"},
                {"httpsRedirect": True},
            ]
        )
    },
)
GATEWAY = _object(
    "networking.istio.io/v1",
    "Gateway",
    st.fixed_dictionaries(
        {
            "servers": st.lists(SERVER, max_size=3),
            "selector": st.sampled_from([{}, {"istio": "ingressgateway"}, {"app": "a"}]),
        }
    ),
)
POLICY = _object(
    "security.istio.io/v1",
    "PeerAuthentication",
    st.fixed_dictionaries(
        {},
        optional={
            "mtls": st.fixed_dictionaries({"mode": MODES}),
            "selector": st.fixed_dictionaries(
                {"matchLabels": st.fixed_dictionaries({"app": NAMES})}
            ),
            "portLevelMtls": st.dictionaries(
                st.sampled_from(["80", "9"]), st.just({"mode": "STRICT"})
            ),
        },
    ),
)
SIDE = st.sampled_from([{}, {"match": {"mode": "CLIENT"}}, {"match": {"mode": "SERVER"}}])
PROVIDERS = st.sampled_from(
    [{}, {"providers": [{"name": "envoy"}]}, {"providers": [{"name": "file"}, {"name": "gone"}]}]
)
TELEMETRY = _object(
    "telemetry.istio.io/v1",
    "Telemetry",
    st.fixed_dictionaries(
        {},
        optional={
            "selector": st.fixed_dictionaries(
                {"matchLabels": st.fixed_dictionaries({"app": NAMES})}
            ),
            "accessLogging": st.lists(
                st.tuples(
                    SIDE,
                    PROVIDERS,
                    st.sampled_from(
                        [{}, {"disabled": True}, {"filter": {"expression": "response.code > 1"}}]
                    ),
                ).map(lambda parts: {k: v for part in parts for k, v in part.items()}),
                max_size=2,
            ),
            "tracing": st.just([{"randomSamplingPercentage": 10}]),
        },
    ),
)
MESH_CONFIG = st.fixed_dictionaries(
    {
        "apiVersion": st.just("v1"),
        "kind": st.just("ConfigMap"),
        "metadata": st.just({"name": "istio", "namespace": "istio-system"}),
        "data": st.fixed_dictionaries(
            {
                "mesh": st.sampled_from(
                    [
                        "",
                        "accessLogFile: ''",
                        "accessLogEncoding: JSON",
                        "outboundTrafficPolicy: {mode: REGISTRY_ONLY}",
                        "{enableAutoMtls: false, connectTimeout: 3s}",
                        "{not yaml",
                        "- 1",
                        "extensionProviders: [{name: file, envoyFileAccessLog: {path: /x}}]",
                        "defaultProviders: {accessLogging: [envoy], tracing: [file]}",
                        "accessLogFile: {}",
                    ]
                )
            }
        ),
    }
)
ACCESS = _object(
    "security.istio.io/v1",
    "AuthorizationPolicy",
    st.fixed_dictionaries(
        {},
        optional={
            "action": st.sampled_from(["ALLOW", "DENY", "AUDIT", "CUSTOM"]),
            "selector": st.fixed_dictionaries(
                {"matchLabels": st.fixed_dictionaries({"app": NAMES})}
            ),
            "targetRefs": st.just([{"kind": "Service", "name": "a"}]),
            "rules": st.sampled_from(
                [
                    [],
                    [{}],
                    [{"from": [{"source": {"namespaces": ["default"], "ipBlocks": ["x"]}}]}],
                    [{"to": [{"operation": {"paths": ["/a*"]}}]}, {"when": [{"key": "odd"}]}],
                ]
            ),
        },
    ),
    annotations=st.sampled_from([{}, {"istio.io/dry-run": "true"}]),
)
ENDPOINT = st.fixed_dictionaries(
    {"address": st.sampled_from(["10.9.0.1", "10.9.0.2", "x.example.com", "unix:///x"])},
    optional={
        "labels": st.sampled_from([{}, {"v": "1"}]),
        "ports": st.sampled_from([{}, {"http": 9}]),
        "serviceAccount": NAMES,
        "locality": st.sampled_from(["r/z", "q/z"]),
    },
)
ENTRY = _object(
    "networking.istio.io/v1",
    "ServiceEntry",
    st.fixed_dictionaries(
        {
            "hosts": st.lists(
                st.sampled_from(
                    ["x.example.com", "*.example.com", "a.other.svc.cluster.local", "y.com"]
                ),
                max_size=2,
                unique=True,
            ),
            "exportTo": EXPORT,
            "ports": st.lists(
                st.fixed_dictionaries(
                    {
                        "number": st.sampled_from([80, 443, 15001]),
                        "name": st.sampled_from(["http", "tls"]),
                        "protocol": st.sampled_from(["HTTP", "TLS", "TCP", "MONGO", "", "UDP"]),
                    },
                    optional={"targetPort": st.just(8080)},
                ),
                max_size=2,
                unique_by=lambda p: p["number"],
            ),
            "resolution": st.sampled_from(["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN"]),
            "location": st.sampled_from(["MESH_EXTERNAL", "MESH_INTERNAL"]),
        },
        optional={
            "addresses": st.lists(st.sampled_from(["10.8.0.1", "10.8.1.0/24"]), max_size=2),
            "endpoints": st.lists(ENDPOINT, max_size=2),
            "workloadSelector": st.fixed_dictionaries(
                {"labels": st.fixed_dictionaries({"app": NAMES})}
            ),
            "subjectAltNames": st.just(["x.example.com"]),
        },
    ),
)
MACHINE = _object("networking.istio.io/v1", "WorkloadEntry", ENDPOINT, labels=LABELS)
EGRESS = st.fixed_dictionaries(
    {
        "hosts": st.lists(
            st.sampled_from(
                [
                    "./*",
                    "*/*",
                    "other/*",
                    "default/a.default.svc.cluster.local",
                    "*/*.example.com",
                    "~/b.default.svc.cluster.local",
                    "~/*",
                    "odd",
                ]
            ),
            max_size=2,
            unique=True,
        )
    },
    optional={"port": st.sampled_from([{"number": 80, "protocol": "HTTP"}, {"number": 443}])},
)
SIDECAR = _object(
    "networking.istio.io/v1",
    "Sidecar",
    st.fixed_dictionaries(
        {},
        optional={
            "workloadSelector": st.fixed_dictionaries(
                {"labels": st.fixed_dictionaries({"app": NAMES})}
            ),
            "egress": st.lists(EGRESS, max_size=2),
            "ingress": st.lists(
                st.fixed_dictionaries(
                    {
                        "port": st.fixed_dictionaries(
                            {
                                "number": st.sampled_from([9, 80]),
                                "protocol": st.sampled_from(["HTTP", "TCP", ""]),
                            }
                        )
                    },
                    optional={
                        "defaultEndpoint": st.sampled_from(["127.0.0.1:1", "0.0.0.0:2", ":3"]),
                        "captureMode": st.just("NONE"),
                    },
                ),
                max_size=2,
            ),
            "inboundConnectionPool": st.just({"tcp": {"maxConnections": 3}}),
            "outboundTrafficPolicy": st.sampled_from(
                [
                    {},
                    {"mode": "ALLOW_ANY"},
                    {"mode": "ALLOW_ANY", "egressProxy": {"host": "x", "port": {"number": 1}}},
                ]
            ),
        },
    ),
)
ANY_OBJECT = st.one_of(
    SIDECAR,
    ENTRY,
    MACHINE,
    SERVICE,
    POD,
    RULE,
    ROUTES,
    GATEWAY,
    POLICY,
    TELEMETRY,
    MESH_CONFIG,
    ACCESS,
)
