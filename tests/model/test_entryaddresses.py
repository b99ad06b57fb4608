"""Addresses of ServiceEntries' hosts: who gets one, who keeps it."""

from hypothesis import given, strategies as st

from lateen.model import entryaddresses
from lateen.model.schema import decode, kinds

RESOURCE = "serviceentries.networking.istio.io"


def entry(name: str, hosts: list[str], given: dict[str, str] | None = None, **spec: object):
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": name, "namespace": "default", "labels": spec.pop("labels", {})},
        "spec": {"hosts": hosts, "resolution": "DNS", **spec},
        "status": {"addresses": [{"host": h, "value": v} for h, v in (given or {}).items()]},
    }
    return decode.decode(kinds.KINDS[RESOURCE], body, strict=False).object


def test_hosts_that_can_be_told_by_name_alone_are_given_one() -> None:
    assert entryaddresses.wanting(entry("a", ["A.example", "*.example"])) == ("a.example",)
    assert entryaddresses.wanting(entry("a", ["*.a.example"], resolution="DYNAMIC_DNS"))
    for refused in (
        {"resolution": "NONE"},
        {"addresses": ["192.0.2.1"]},
        {"labels": {entryaddresses.LABEL: "False"}},
    ):
        assert entryaddresses.wanting(entry("a", ["a.example"], **refused)) == ()


def test_the_older_entry_keeps_an_address_that_two_have() -> None:
    both = {"a.example": "240.240.0.1"}
    found = entryaddresses.allocate(
        [entry("old", ["a.example"], both), entry("new", ["a.example"], both)]
    )
    assert list(found.values()) == [both, {"a.example": "240.240.0.2"}]


def test_an_address_of_another_network_is_not_one_that_was_given() -> None:
    assert entryaddresses.given(entry("a", ["a.example"], {"a.example": "192.0.2.1"})) == {}
    assert list(entryaddresses.names(entry("a", ["a.example"], addresses=["192.0.2.1"]))) == [
        ("a.example", ("192.0.2.1",))
    ]


HOSTS = st.lists(st.sampled_from(["a.example", "b.example", "c.example"]), unique=True)
HAD = st.dictionaries(
    st.sampled_from(["a.example", "b.example"]),
    st.sampled_from(["240.240.0.1", "240.240.0.2", "10.0.0.1", "no"]),
)


@given(st.lists(st.tuples(HOSTS, HAD), max_size=4))
def test_every_host_has_an_address_of_its_own_and_then_keeps_it(drawn) -> None:
    entries = [entry(f"e{n}", hosts, had) for n, (hosts, had) in enumerate(drawn)]
    found = entryaddresses.allocate(entries)
    every = [address for own in found.values() for address in own.values()]
    assert len(every) == len(set(every)) == sum(len(hosts) for hosts, _ in drawn)
    settled = [
        entry(f"e{n}", hosts, found["default", f"e{n}"]) for n, (hosts, _) in enumerate(drawn)
    ]
    assert entryaddresses.allocate(settled) == found
