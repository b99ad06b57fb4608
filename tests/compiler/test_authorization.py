"""AuthorizationPolicy from end to end of the compiler: what Envoy is told to do with a request is
what the rules say, for any policies and requests; and the laws of joining policies."""

import ipaddress
from random import Random
from typing import Any

import msgspec
import pytest
from envoy.config.core.v3.extension_pb2 import TypedExtensionConfig
from hypothesis import given, settings, strategies as st

from lateen.compiler.backend import rbac
from lateen.compiler.frontend import versions
from lateen.compiler.frontend.security import authz
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model import snapshot
from lateen.model.istio.security import AuthorizationPolicy
from tests.compiler.envoy_rbac import Request, allowed

Json = dict[str, Any]
SETTINGS = MeshSettings(features=versions.features(), trust_domain_aliases=("old.example",))
LOCAL = ("cluster.local", "old.example")
HTTP_ONLY = frozenset(("hosts", "methods", "paths", "requestPrincipals"))


def policies(specs: list[Json]) -> list[AuthorizationPolicy]:
    bodies = [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": f"p{number}", "namespace": "shop"},
            "spec": spec,
        }
        for number, spec in enumerate(specs)
    ]
    found = snapshot.of_bodies(bodies).authorization_policies
    return [found["shop", f"p{number}"] for number in range(len(specs))]


def enforced(
    specs: list[Json], request: Request, mesh: MeshSettings = SETTINGS, dry: bool = False
) -> bool:
    """Whether Envoy, told what the compiler says, lets a request through."""
    written = policies(specs)
    if dry:
        notes = {authz.DRY_RUN: "true"}
        written = [
            msgspec.structs.replace(
                p, metadata=msgspec.structs.replace(p.metadata, annotations=notes)
            )
            for p in written
        ]
    joined = authz.join(authz.compile_policy(p, mesh) for p in written)
    if joined is None:
        return True
    if request.tcp:
        return allowed(rbac.network_filters(joined.tcp), request)
    told = (TypedExtensionConfig.FromString(r.body) for r in rbac.extensions(joined.http))
    return allowed(told, request)


# The rules read directly: plain string handling, no patterns in between.


def says(specs: list[Json], request: Request) -> bool:
    """Whether the policies, read as they are documented, let a request through."""
    refusing = [s for s in specs if s.get("action") in ("DENY", "CUSTOM")]
    if any(matches(s, request) for s in refusing):
        return False
    allowing = [s for s in specs if s.get("action", "ALLOW") == "ALLOW"]
    return not allowing or any(matches(s, request) for s in allowing)


def matches(spec: Json, request: Request) -> bool:
    allow = spec.get("action", "ALLOW") == "ALLOW"
    return any(rule_matches(rule, request, allow) for rule in spec.get("rules", ()))


def rule_matches(rule: Json, request: Request, allow: bool) -> bool:
    fields = [k for f in rule.get("from", ()) for k in f["source"]]
    fields += [k for t in rule.get("to", ()) for k in t["operation"]]
    fields += [plain(c["key"]) for c in rule.get("when", ())]
    if request.tcp and allow and any(positive(f) in HTTP_ONLY for f in fields):
        return False
    sources = rule.get("from") or [{"source": {}}]
    operations = rule.get("to") or [{"operation": {}}]
    return (
        any(all_hold(s["source"], request) for s in sources)
        and any(all_hold(o["operation"], request) for o in operations)
        and all(condition_holds(c, request) for c in rule.get("when", ()))
    )


def plain(key: str) -> str:
    """The HTTP-only field that a condition is like, or nothing."""
    return "hosts" if key.startswith("request.") else ""


def positive(name: str) -> str:
    return name[3:4].lower() + name[4:] if name.startswith("not") else name


def all_hold(fields: Json, request: Request) -> bool:
    return all(
        holds(positive(name), values, request) is not name.startswith("not")
        for name, values in fields.items()
        if not (request.tcp and positive(name) in HTTP_ONLY)
    )


def condition_holds(condition: Json, request: Request) -> bool:
    key = condition["key"]
    if request.tcp and key.startswith("request."):
        return True
    fits = not condition.get("values") or holds(key, condition["values"], request)
    return fits and not (condition.get("notValues") and holds(key, condition["notValues"], request))


def holds(name: str, values: list[str], request: Request) -> bool:
    return any(one_holds(name, value, request) for value in values)


def one_holds(name: str, value: str, request: Request) -> bool:
    if name in ("requestPrincipals", "request.auth.principal"):
        return token_fits(value, request.claims)
    if name == "request.auth.claims[group][team]":
        given = request.claims.get("group", {}).get("team", [])
        return any(fits(value, each) for each in (given if isinstance(given, list) else [given]))
    if name in IDENTITIES:
        return bool(request.identity) and IDENTITIES[name](value, *caller(request))
    return OTHERS[name](value, request)


def token_fits(value: str, claims: dict[str, Any]) -> bool:
    """A star stands for a whole side, or ends or begins the one that is written."""
    if not claims:
        return False
    issuer, subject = claims["iss"], claims["sub"]
    if "/" not in value:
        if value.startswith("*"):
            return fits(value, subject) and issuer != ""
        return value.endswith("*") and fits(value, issuer) and subject != ""
    wanted, _, of_subject = value.rpartition("/")
    return fits(wanted, issuer) and fits(of_subject, subject)


def caller(request: Request) -> tuple[str, str, str]:
    """The trust domain, namespace and account of the client."""
    domain, _, rest = request.identity.removeprefix("spiffe://").partition("/")
    _, namespace, _, account = rest.split("/")
    return domain, namespace, account


def principal_fits(value: str, domain: str, namespace: str, account: str) -> bool:
    """A principal of the mesh's own trust domain is the same under its other names."""
    names = LOCAL if domain in LOCAL and value.count("/") == 4 else (domain,)
    return any(fits(value, f"{name}/ns/{namespace}/sa/{account}") for name in names)


def account_fits(value: str, domain: str, namespace: str, account: str) -> bool:
    return f"{namespace}/{account}" == (value if "/" in value else f"shop/{value}")


IDENTITIES = {
    "principals": principal_fits,
    "source.principal": principal_fits,
    "namespaces": lambda value, _domain, namespace, _account: fits(value, namespace),
    "source.namespace": lambda value, _domain, namespace, _account: fits(value, namespace),
    "serviceAccounts": account_fits,
    "source.serviceAccount": account_fits,
    "trustDomains": lambda value, domain, *_: domain_fits(value, domain),
    "source.trustDomain": lambda value, domain, *_: domain_fits(value, domain),
}
OTHERS = {
    "ipBlocks": lambda value, r: within(value, r.source_ip),
    "source.ip": lambda value, r: within(value, r.source_ip),
    "remoteIpBlocks": lambda value, r: within(value, r.remote_ip),
    "remote.ip": lambda value, r: within(value, r.remote_ip),
    "destination.ip": lambda value, r: within(value, r.destination_ip),
    "ports": lambda value, r: int(value) == r.port,
    "destination.port": lambda value, r: int(value) == r.port,
    "connection.sni": lambda value, r: fits(value, r.sni),
    "hosts": lambda value, r: fits(value.lower(), r.host.lower()),
    "methods": lambda value, r: fits(value, r.method),
    "paths": lambda value, r: path_fits(value, r.path.partition("?")[0]),
    "request.headers[x-role]": lambda value, r: role_fits(value, r.headers.get("x-role")),
}


def domain_fits(value: str, domain: str) -> bool:
    return (value in LOCAL and domain in LOCAL) or fits(value, domain)


def role_fits(value: str, role: str | None) -> bool:
    """For a header the star means that it is there."""
    return role is not None and (value == "*" or fits(value, role))


def fits(value: str, text: str) -> bool:
    if value == "*":
        return text != ""
    if value.startswith("*"):
        return text.endswith(value[1:])
    return text.startswith(value[:-1]) if value.endswith("*") else value == text


def path_fits(value: str, path: str) -> bool:
    if "{" not in value:
        return fits(value, path)
    wanted, found = value.split("/"), path.split("/")
    for number, segment in enumerate(wanted):
        if segment == "{**}":
            return number < len(found)
        if number >= len(found) or (segment == "{*}" and not found[number]):
            return False
        if segment != "{*}" and segment != found[number]:
            return False
    return len(wanted) == len(found)


def within(value: str, address: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(value, strict=False)


def some(*values: str) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2)


ADDRESSES = ("10.0.0.1", "10.0.0.0/24", "10.0.1.0/24", "10.0.0.9/8")
PRINCIPALS = (
    "cluster.local/ns/shop/sa/web",
    "old.example/ns/shop/sa/web",
    "partner/ns/shop/sa/web",
    "*",
    "cluster.local/ns/shop/*",
    "*/sa/web",
)
NAMESPACES = ("shop", "sho*", "*op", "*", "other", "s.op")
ACCOUNTS = ("web", "shop/web", "other/web", "w.b")
DOMAINS = ("cluster.local", "old.example", "partner", "*", "part*", "*example", "cluster-local")
HOSTS = ("web", "WEB", "web:80", "*.example", "w*", "*")
METHODS = ("GET", "POST", "P*", "*")
PATHS = ("/", "/a", "/a/*", "*/x", "*", "/{*}", "/{*}/x", "/a/{**}", "/a/{*}/{**}")
PORTS = ("8080", "9000")
TEXTS = ("admin", "adm*", "*min", "*")
TOKENS = ("*", "issuer/subject", "https://a/b/subject", "issuer/*", "*/subject", "*ject", "iss*")
FIELDS = {
    "principals": PRINCIPALS,
    "requestPrincipals": TOKENS,
    "namespaces": NAMESPACES,
    "ipBlocks": ADDRESSES,
    "remoteIpBlocks": ADDRESSES,
    "serviceAccounts": ACCOUNTS,
    "trustDomains": DOMAINS,
}
ASKED = {"hosts": HOSTS, "methods": METHODS, "paths": PATHS, "ports": PORTS}
KEYS = {
    "source.principal": PRINCIPALS,
    "source.namespace": NAMESPACES,
    "source.serviceAccount": ACCOUNTS,
    "source.trustDomain": DOMAINS,
    "source.ip": ADDRESSES,
    "remote.ip": ADDRESSES,
    "destination.ip": ("10.0.0.2", "10.0.1.0/24"),
    "destination.port": PORTS,
    "connection.sni": ("outbound_.80_._.web", "*web", "*"),
    "request.headers[x-role]": TEXTS,
    "request.auth.principal": TOKENS,
    "request.auth.claims[group][team]": TEXTS,
}


def fields(known: dict[str, tuple[str, ...]]) -> st.SearchStrategy[Json]:
    every = {name: some(*values) for name, values in known.items()}
    every |= {f"not{name[0].upper()}{name[1:]}": values for name, values in every.items()}
    return st.lists(st.sampled_from(sorted(every)), min_size=1, max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: every[name] for name in names})
    )


CONDITIONS = st.sampled_from(sorted(KEYS)).flatmap(
    lambda key: st.fixed_dictionaries(
        {"key": st.just(key)}, optional={"values": some(*KEYS[key]), "notValues": some(*KEYS[key])}
    ).filter(lambda c: len(c) > 1)
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.fixed_dictionaries({"source": fields(FIELDS)}), min_size=1, max_size=2),
        "to": st.lists(st.fixed_dictionaries({"operation": fields(ASKED)}), min_size=1, max_size=2),
        "when": st.lists(CONDITIONS, min_size=1, max_size=2),
    },
)
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "action": st.sampled_from(["ALLOW", "DENY", "AUDIT"]),
        "rules": st.lists(RULES, max_size=2),
    },
)
EVERY = st.lists(SPECS, max_size=3)
REQUESTS = st.builds(
    Request,
    identity=st.sampled_from(
        [
            "",
            "spiffe://cluster.local/ns/shop/sa/web",
            "spiffe://old.example/ns/shop/sa/web",
            "spiffe://partner/ns/shop/sa/web",
            "spiffe://cluster.local/ns/other/sa/web",
            "spiffe://cluster.local/ns/shop/sa/wab",
            "spiffe://cluster.local/ns/shop/sa/website",
            "spiffe://cluster.local/ns/shopping/sa/web",
        ]
    ),
    source_ip=st.sampled_from(["10.0.0.1", "10.0.1.1"]),
    remote_ip=st.sampled_from(["10.0.0.1", "10.0.1.1", "192.0.2.1"]),
    port=st.sampled_from([8080, 9000]),
    sni=st.sampled_from(["", "outbound_.80_._.web"]),
    host=st.sampled_from(["web", "Web", "web:80", "a.example"]),
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=st.sampled_from(["/", "/a", "/a/", "/a/x", "/b/x?q=/a", "/a/b/c", "/b"]),
    headers=st.sampled_from([{}, {"x-role": "admin"}, {"x-role": "user"}, {"x-role": ""}]),
    claims=st.sampled_from(
        [
            {},
            {"iss": "issuer", "sub": "subject"},
            {"iss": "https://a/b", "sub": "subject", "group": {"team": "admin"}},
            {"iss": "issuer", "sub": "other", "group": {"team": ["user", "admin"]}},
        ]
    ),
    tcp=st.booleans(),
)


@settings(max_examples=600)
@given(EVERY, REQUESTS)
def test_envoy_does_what_the_rules_say(specs: list[Json], request: Request) -> None:
    assert enforced(specs, request) == says(specs, request)


@given(EVERY, REQUESTS, st.randoms())
def test_no_policy_comes_before_another(
    specs: list[Json], request: Request, random: Random
) -> None:
    shuffled = list(specs)
    random.shuffle(shuffled)
    assert enforced(shuffled, request) == enforced(specs, request)


@given(EVERY, SPECS, REQUESTS)
def test_one_more_policy(specs: list[Json], spec: Json, request: Request) -> None:
    """ALLOW adds to what is allowed once something must be; DENY only takes away; AUDIT is idle."""
    before, after = enforced(specs, request), enforced([*specs, spec], request)
    action = spec.get("action", "ALLOW")
    if action == "DENY":
        assert after <= before
    elif action == "AUDIT":
        assert after == before
    elif any(s.get("action", "ALLOW") == "ALLOW" for s in specs):
        assert after >= before


@given(EVERY, REQUESTS)
def test_a_dry_run_refuses_nothing(specs: list[Json], request: Request) -> None:
    assert enforced(specs, request, dry=True)


@given(SPECS, REQUESTS)
def test_tcp_allows_less_and_denies_more(spec: Json, request: Request) -> None:
    """What a connection is refused for lacking is never an accident in its favour."""
    connection = msgspec.convert({**vars(request), "tcp": True}, Request)
    over_http = enforced([spec], msgspec.convert({**vars(request), "tcp": False}, Request))
    if not over_http:
        assert not enforced([spec], connection)


@pytest.mark.parametrize(
    ("version", "value", "caller", "passes"),
    [
        ("1.27.8", "a.b", "axb", True),
        ("1.27.9", "a.b", "axb", False),
        ("1.29", "a.b", "axb", False),
        ("1.32", "a.b", "a.b", True),
    ],
)
def test_a_dot_in_an_account_is_a_dot(version: str, value: str, caller: str, passes: bool) -> None:
    spec = {"rules": [{"from": [{"source": {"serviceAccounts": [value]}}]}]}
    mesh = MeshSettings(features=versions.features(version))
    request = Request(identity=f"spiffe://cluster.local/ns/shop/sa/{caller}")
    assert enforced([spec], request, mesh) is passes


@pytest.mark.parametrize(("version", "passes"), [("1.29.2", True), ("1.28.7", False)])
def test_a_dot_in_a_namespace_is_a_dot(version: str, passes: bool) -> None:
    spec = {"rules": [{"from": [{"source": {"namespaces": ["s.op"]}}]}]}
    mesh = MeshSettings(features=versions.features(version))
    request = Request(identity="spiffe://cluster.local/ns/shop/sa/web")
    assert enforced([spec], request, mesh) is passes


@pytest.mark.parametrize(("version", "other_path"), [("1.19", False), ("1.20", True)])
def test_custom_refuses_because_nobody_can_be_asked(version: str, other_path: bool) -> None:
    spec = {
        "action": "CUSTOM",
        "provider": {"name": "opa"},
        "rules": [{"to": [{"operation": {"paths": ["/admin"]}}]}],
    }
    mesh = MeshSettings(features=versions.features(version))
    assert not enforced([spec], Request(path="/admin"), mesh)
    assert enforced([spec], Request(path="/"), mesh) is other_path


@pytest.mark.parametrize(
    ("action", "source", "operation"),
    [
        ("ALLOW", {"ipBlocks": ["nowhere"]}, {}),
        ("ALLOW", {}, {"ports": ["http"]}),
        ("DENY", {"ipBlocks": ["nowhere"]}, {"methods": ["GET"]}),
    ],
)
def test_a_value_that_makes_no_sense_never_helps_a_request(
    action: str, source: Json, operation: Json
) -> None:
    rule = {"from": [{"source": source}], "to": [{"operation": operation}]}
    assert not enforced([{"action": action, "rules": [rule]}], Request())
