"""Which Istio version does what: one row per changed default, read by nobody else. Pure.

A version is `1.17` or `1.28.4`. Without a patch number the newest patch of that minor is meant,
so back-ported changes count as present.
"""

import msgspec

from lateen.compiler.ir.proxy import Features

OLDEST = (1, 15)
NEWEST = (1, 32)
DEFAULT = "1.32"

_ANY_PATCH = 10_000


class Gate(msgspec.Struct, frozen=True):
    """One change of default behaviour.

    `feature` is the field of `Features`; it is `new` from version `first` on (and from each
    back-ported patch on, within its minor), and the opposite before.
    """

    id: str
    first: tuple[int, int, int]
    feature: str
    new: bool = True
    backports: tuple[tuple[int, int, int], ...] = ()

    def holds(self, version: tuple[int, int, int]) -> bool:
        """Whether `version` already has the new behaviour."""
        if version >= self.first:
            return True
        return any(version[:2] == back[:2] and version >= back for back in self.backports)


GATES = (
    Gate("sidecar-ignore-port-in-host", (1, 16, 0), "sidecar_ignore_port"),
    Gate("alpn-override-non-istio-tls", (1, 19, 0), "alpn_override_for_user_tls", new=False),
    Gate("insecure-skip-verify-implemented", (1, 19, 0), "insecure_skip_verify"),
    Gate("upstream-cert-verify-default", (1, 21, 0), "verify_upstream"),
    Gate("auto-sni", (1, 21, 0), "auto_sni"),
    Gate("auto-san-validation", (1, 21, 0), "auto_san"),
    Gate("externalname-alias", (1, 21, 0), "external_name_alias"),
    Gate(
        "wildcard-most-specific-vs",
        (1, 21, 0),
        "wildcard_most_specific",
        backports=((1, 20, 2), (1, 19, 6), (1, 18, 7)),
    ),
    Gate(
        "catchall-regex",
        (1, 21, 0),
        "catch_all_any_regex",
        backports=((1, 20, 4), (1, 19, 8)),
    ),
    Gate("authz-target-ref", (1, 20, 0), "authz_target_ref"),
    Gate("custom-provider-missing", (1, 20, 0), "authz_custom_by_rule"),
    Gate("path-templates", (1, 22, 0), "authz_path_templates"),
    Gate("authz-target-refs", (1, 22, 0), "authz_target_refs"),
    Gate("authz-service-accounts", (1, 25, 0), "authz_service_accounts"),
    Gate(
        "authz-regex-escape-sa",
        (1, 30, 0),
        "authz_escapes_accounts",
        backports=((1, 29, 2), (1, 28, 6), (1, 27, 9)),
    ),
    Gate(
        "authz-regex-escape-ns-principal",
        (1, 30, 0),
        "authz_escapes_identities",
        backports=((1, 29, 3), (1, 28, 7)),
    ),
    Gate("authz-trust-domains", (1, 31, 0), "authz_trust_domains", backports=((1, 30, 2),)),
    Gate("jwt-issuer-trailing-slash", (1, 19, 0), "jwt_issuer_trims_slash"),
    Gate("jwt-from-cookies", (1, 21, 0), "jwt_cookies"),
    Gate("jwt-space-delimited-claims", (1, 28, 0), "jwt_claim_lists"),
    Gate("default-zipkin-removed", (1, 22, 0), "zipkin_by_default", new=False),
    Gate("internal-address", (1, 25, 0), "private_is_internal", new=False),
    Gate("se-none-targetport", (1, 22, 0), "none_target_port"),
    Gate("without-headers-missing", (1, 22, 0), "without_header_missing"),
    Gate("consistent-hash-retry-host", (1, 23, 0), "hash_retries_same_host"),
    Gate("default-retry-503", (1, 24, 0), "retry_503", new=False),
    Gate("inbound-retry-reset-before-request", (1, 24, 0), "inbound_retry"),
    Gate(
        "inbound-retry-not-of-grpc",
        (1, 26, 0),
        "inbound_retry_of_grpc",
        new=False,
        backports=((1, 25, 2), (1, 24, 5)),
    ),
    Gate("dr-merge-exportto", (1, 24, 0), "rule_merge_by_export"),
    Gate(
        "retry-budget-percent",
        (1, 30, 0),
        "retry_budget_of_a_fifth",
        backports=((1, 29, 2), (1, 28, 6)),
    ),
    Gate("trailing-dot-fqdn", (1, 27, 0), "absolute_fqdn_domain"),
    Gate("vs-mixed-case-host", (1, 27, 0), "lower_case_hosts"),
    Gate("empty-selector", (1, 18, 0), "empty_selects_none"),
    Gate("sidecar-pick-best-ns", (1, 30, 0), "picks_best_namespace"),
    Gate(
        "dr-exportto-own-ns",
        (1, 21, 0),
        "rule_exported_beside_home",
        backports=((1, 20, 2),),
    ),
    Gate("ip-autoallocate", (1, 25, 0), "allocates_addresses"),
    Gate("internal-traffic-policy-local", (1, 17, 0), "node_local_services"),
    Gate("traffic-distribution", (1, 25, 0), "traffic_distribution"),
    Gate("prefer-close-without-subzone", (1, 27, 0), "close_is_zone"),
    Gate("topology-locality-label", (1, 29, 0), "topology_locality_label"),
    Gate("mirror-shadow-suffix", (1, 28, 0), "shadow_host_suffix", new=False),
)


class UnknownVersion(ValueError):
    """The version is not one that is modelled; the message says which are."""


def parse(text: str) -> tuple[int, int, int]:
    """Read `1.17` or `1.28.4`. Raises UnknownVersion outside the modelled range."""
    parts = text.strip().removeprefix("v").split(".")
    if len(parts) not in (2, 3) or not all(p.isascii() and p.isdigit() for p in parts):
        raise UnknownVersion(_refusal(text))
    major, minor = int(parts[0]), int(parts[1])
    if not OLDEST <= (major, minor) <= NEWEST:
        raise UnknownVersion(_refusal(text))
    return major, minor, int(parts[2]) if len(parts) == 3 else _ANY_PATCH


def features(version: str = DEFAULT) -> Features:
    """Return what Istio `version` does. Raises UnknownVersion."""
    number = parse(version)
    rows = {gate.feature: gate.new == gate.holds(number) for gate in GATES}
    return Features(version=version.strip().removeprefix("v"), **rows)


def _refusal(text: str) -> str:
    oldest, newest = ".".join(map(str, OLDEST)), ".".join(map(str, NEWEST))
    return (
        f"Istio version {text!r} is not modelled: use one from {oldest} to {newest}, "
        "such as 1.28 or 1.28.4"
    )
