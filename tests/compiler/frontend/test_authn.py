"""PeerAuthentication: tables of levels, and the laws of inheritance."""

from random import Random

import pytest
from hypothesis import given, strategies as st

from lateen.compiler.frontend.security import authn
from lateen.compiler.ir.workload import MtlsMode
from lateen.model.istio.security import MutualTLS, PeerAuthentication, PeerAuthenticationSpec
from lateen.model.istio.types import WorkloadSelector
from lateen.model.schema.objectmeta import ObjectMeta

Policies = tuple[PeerAuthentication, ...]

LABELS = {"app": "web", "tier": "front"}


def policy(
    mode: str | None = None,
    *,
    name: str = "p",
    created: str = "2024-01-01T00:00:00Z",
    labels: dict[str, str] | None = None,
    ports: dict[int, str] | None = None,
) -> PeerAuthentication:
    return PeerAuthentication(
        metadata=ObjectMeta(name=name, namespace="ns", creation_timestamp=created),
        spec=PeerAuthenticationSpec(
            selector=WorkloadSelector(match_labels=labels) if labels else None,
            mtls=MutualTLS(mode=mode) if mode is not None else None,
            port_level_mtls={p: MutualTLS(mode=m) for p, m in ports.items()} if ports else None,
        ),
    )


def mode(
    mesh: tuple[PeerAuthentication, ...] = (),
    namespace: tuple[PeerAuthentication, ...] = (),
    port: int = 80,
    *,
    root: bool = False,
) -> str:
    wide = authn.namespace_mode(mesh, namespace)
    return authn.workload_modes(wide, namespace, LABELS, root=root).at(port).mode.value


@pytest.mark.parametrize(
    ("mesh", "namespace", "workload", "expected"),
    [
        (None, None, None, "PERMISSIVE"),
        ("STRICT", None, None, "STRICT"),
        ("STRICT", "DISABLE", None, "DISABLE"),
        ("STRICT", "UNSET", None, "STRICT"),
        ("STRICT", "", None, "STRICT"),
        ("UNSET", "UNSET", "UNSET", "PERMISSIVE"),
        ("STRICT", "DISABLE", "PERMISSIVE", "PERMISSIVE"),
        ("STRICT", "DISABLE", "UNSET", "DISABLE"),
        (None, None, "STRICT", "STRICT"),
        ("DISABLE", None, "STRICT", "STRICT"),
    ],
)
def test_levels(
    mesh: str | None, namespace: str | None, workload: str | None, expected: str
) -> None:
    wide = (policy(mesh),) if mesh is not None else ()
    own = (policy(namespace, name="ns"),) if namespace is not None else ()
    if workload is not None:
        own += (policy(workload, name="w", labels={"app": "web"}),)
    assert mode(wide, own) == expected


def test_missing_block_is_unset() -> None:
    assert mode((policy("STRICT"),), (policy(None),)) == "STRICT"


def test_oldest_wins_then_name() -> None:
    young = policy("DISABLE", name="a", created="2025-01-01T00:00:00Z")
    old = policy("STRICT", name="z")
    twin = policy("DISABLE", name="y")
    assert mode(namespace=(young, old)) == "STRICT"
    assert mode(namespace=(old, twin)) == "DISABLE"


def test_only_the_oldest_matching_workload_policy_counts_with_its_ports() -> None:
    old = policy("STRICT", labels={"app": "web"})
    young = policy(
        "DISABLE",
        name="q",
        created="2025-01-01T00:00:00Z",
        labels={"tier": "front"},
        ports={80: "DISABLE"},
    )
    assert mode(namespace=(young, old)) == "STRICT"


def test_selector_needs_all_labels() -> None:
    other = policy("STRICT", labels={"app": "web", "tier": "back"})
    assert mode(namespace=(other,)) == "PERMISSIVE"


def test_port_modes_inherit_from_the_workload() -> None:
    chosen = policy("UNSET", labels={"app": "web"}, ports={80: "DISABLE", 81: "UNSET"})
    assert mode((policy("STRICT"),), (chosen,), 80) == "DISABLE"
    assert mode((policy("STRICT"),), (chosen,), 81) == "STRICT"
    assert mode((policy("STRICT"),), (chosen,), 82) == "STRICT"


def test_selector_in_the_root_namespace_is_ignored_for_everyone() -> None:
    selecting = policy("STRICT", labels={"app": "web"})
    assert mode((selecting,), ()) == "PERMISSIVE"
    assert mode((selecting,), (selecting,), root=True) == "PERMISSIVE"


def test_source_names_the_field_that_decided() -> None:
    chosen = policy("STRICT", name="w", labels={"app": "web"}, ports={80: "DISABLE"})
    modes = authn.workload_modes(authn.DEFAULT, (chosen,), LABELS, root=False)
    assert str(modes.at(80).source) == "PeerAuthentication/ns/w#spec.portLevelMtls.80.mode"
    assert str(modes.mode.source) == "PeerAuthentication/ns/w#spec.mtls.mode"
    assert authn.DEFAULT.source is None


MODES = st.sampled_from([None, "UNSET", "DISABLE", "PERMISSIVE", "STRICT"])
TIMES = st.sampled_from([f"2024-01-0{day}T00:00:00Z" for day in range(1, 5)])
POLICIES = st.lists(
    st.builds(
        policy,
        MODES,
        name=st.sampled_from("abcdef"),
        created=TIMES,
        labels=st.sampled_from([None, {"app": "web"}, {"tier": "front"}, {"app": "other"}]),
        ports=st.sampled_from([None, {80: "UNSET"}, {80: "STRICT"}, {81: "DISABLE"}]),
    ),
    max_size=4,
    unique_by=lambda p: p.metadata.name,
).map(tuple)


@given(POLICIES, POLICIES, st.randoms())
def test_order_of_objects_does_not_matter(
    mesh: Policies, namespace: Policies, random: Random
) -> None:
    shuffled = list(namespace)
    random.shuffle(shuffled)
    assert mode(mesh, namespace) == mode(mesh, tuple(shuffled))


@given(POLICIES, POLICIES)
def test_adding_an_unset_policy_that_is_youngest_changes_nothing(
    mesh: Policies, namespace: Policies
) -> None:
    late = policy("UNSET", name="zz", created="2030-01-01T00:00:00Z", labels={"app": "web"})
    assert mode(mesh, namespace) == mode(mesh, (*namespace, late))


@given(POLICIES)
def test_unset_everywhere_inherits_the_mesh(mesh: Policies) -> None:
    unset = (policy("UNSET"), policy("UNSET", name="w", labels={"app": "web"}, ports={80: "UNSET"}))
    assert mode(mesh, unset) == mode(mesh, ())


@given(POLICIES, POLICIES)
def test_result_is_one_of_the_three_modes(mesh: Policies, namespace: Policies) -> None:
    assert mode(mesh, namespace) in {m.value for m in MtlsMode}
