"""Rules as values: goldens of their text, and the kernel's own listing of what it was given."""

import itertools
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from lateen.model.kube import discovery
from lateen.model.kube.core import objects
from lateen.node.net import addressing, egress, netlink, nft, nftwire, redirect, services
from lateen.node.net.podnetwork import CaptureOptions
from tests import programs

CASES = Path(__file__).parent / "cases"
NODE = services.NodeAddresses(
    ip="10.244.0.1",
    port_addresses=("10.244.0.1", "172.30.9.2"),
    own=("10.96.0.10",),
    virtual=("10.244.0.0/16", "10.96.0.0/12", "172.30.9.128/25"),
)


def _table(case: Path) -> nft.RuleTable:
    given: dict[str, Any] = yaml.safe_load((case / "in.yaml").read_text())
    if case.parent.name == "redirect":
        options: dict[str, Any] = {key: tuple(value) for key, value in given.items()}
        return redirect.ruleset(CaptureOptions(**options))
    slices = {
        key: msgspec.convert(value, tuple[discovery.EndpointSlice, ...])
        for key, value in given["slices"].items()
    }
    every = [
        frontend
        for service in msgspec.convert(given["services"], tuple[objects.Service, ...])
        for frontend in services.frontends(
            service,
            slices.get(f"{service.metadata.namespace}/{service.metadata.name}", ()),
            NODE,
        )
    ]
    return services.table(every, NODE)


ALL_CASES = sorted(path.parent for path in CASES.glob("*/*/in.yaml"))


@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_golden(case: Path) -> None:
    text = nft.text(_table(case))
    golden = case / "out.nft"
    if os.environ.get("LATEEN_UPDATE_GOLDENS"):
        golden.write_text(text)
    assert text == golden.read_text(), (
        "if the new rules are right: LATEEN_UPDATE_GOLDENS=1 pytest tests/node/network"
    )


def _plain(listing: str) -> list[str]:
    """Undo what `nft list` prettifies: marks in hex, names of priorities, `tcp dport`, layout."""
    text = re.sub(r"0x([0-9a-f]{8})", lambda found: str(int(found[1], 16)), listing)
    text = text.replace("priority dstnat + 10", "priority -90")
    for name, number in (("dstnat", "-100"), ("srcnat", "100"), ("filter;", "0;")):
        text = text.replace(f"priority {name}", f"priority {number}")
    text = text.replace("dnat ip to", "dnat to").replace(" seed 0x0", "")
    text = re.sub(r"meta l4proto (tcp|udp) th dport", r"\1 dport", text)
    text = re.sub(r"meta l4proto tcp (oifname \S+ ip daddr \S+) reject", r"\1 reject", text)
    text = re.sub(
        r"meta l4proto tcp ip daddr \. meta l4proto \. th dport (\S+) reject",
        r"ip daddr . meta l4proto . tcp dport \1 reject",
        text,
    )
    text = re.sub(r"elements = \{(.*?)\}", _sorted_elements, text, flags=re.DOTALL)
    return text.split()


def _sorted_elements(found: re.Match[str]) -> str:
    return " ".join(sorted(" ".join(each.split()) for each in found[1].split(",")))


@pytest.mark.netns
@pytest.mark.parametrize("case", ALL_CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_kernel_lists_what_it_was_given(case: Path, namespaces: Any) -> None:
    table = _table(case)
    assert _plain(_listed(namespaces, table)) == _plain(nft.text(table))


@pytest.mark.netns
def test_the_way_out_is_one_rule_after_those_of_services(namespaces: Any) -> None:
    plan = addressing.Plan(balancer_cidr="172.30.9.128/25", extra_node_addresses=("172.30.9.2",))
    table = egress.table(plan)
    text = nft.text(table)
    assert "priority -90" in text
    assert text.count(" return\n") == 5
    assert "meta l4proto tcp dnat to 10.244.0.1:15999" in text
    assert _plain(_listed(namespaces, table)) == _plain(text)


def _listed(namespaces: Any, table: nft.RuleTable, *later: nft.RuleTable) -> str:
    """Return what `nft list ruleset` says after a table was made and changed to others."""
    program = programs.require("nft")
    fd = namespaces.make()
    with netlink.open_netlink(fd, netlink.NETFILTER) as socket:
        nftwire.apply(socket, nftwire.create(table))
        for before, after in itertools.pairwise((table, *later)):
            for messages in nftwire.changes(before, after):
                nftwire.apply(socket, messages)
    listing = netlink.inside(
        fd,
        lambda: subprocess.run([program, "list", "ruleset"], capture_output=True, check=True),
    )
    return listing.stdout.decode()


def _frontend(number: int, *endpoints: int) -> services.Frontend:
    return services.Frontend(
        f"10.96.0.{number}", "tcp", 80, tuple((f"10.244.0.{each}", 80) for each in endpoints)
    )


def test_a_change_of_endpoints_is_a_change_of_elements() -> None:
    before = services.table([_frontend(20, 3), _frontend(21, 4)], NODE)
    after = services.table([_frontend(20, 3), _frontend(21, 5)], NODE)
    assert nftwire.changes(before, before) == []
    loops, endpoints = (f"elements of lateen-services {name}" for name in ("loops", "endpoints-1"))
    assert [[message.about for message in each] for each in nftwire.changes(before, after)] == [
        [loops, endpoints, endpoints],
        [loops],
    ]


TABLES = [
    services.table(every, NODE)
    for every in (
        [_frontend(20, 3), _frontend(21, 4)],
        [_frontend(20, 3, 4), _frontend(21, 4)],
        [_frontend(20, 3, 4), _frontend(21, 4, 5, 6)],
        [_frontend(20), replace(_frontend(21, 4), sticky=True)],
        [_frontend(21, 7)],
        [],
    )
]
STEPS = [(a, b) for a in TABLES for b in TABLES if a is not b]


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_what_is_new_comes_before_what_is_old_goes(
    before: nft.RuleTable, after: nft.RuleTable
) -> None:
    """Or a packet that meets the moment would find neither, and be refused."""
    steps = nftwire.changes(before, after)
    said = {message.about.split()[0] for each in steps for message in each}
    assert not {"table", "chain"} & said, "chains that packets pass were replaced"

    def lacks(table: nft.RuleTable, other: nft.RuleTable) -> bool:
        known = {each.name: each.elements.keys() for each in table.sets}
        return any(each.elements.keys() - known.get(each.name, set()) for each in other.sets)

    assert len(steps) == lacks(before, after) + lacks(after, before)


@pytest.mark.netns
@pytest.mark.parametrize(("before", "after"), STEPS)
def test_the_kernel_comes_to_a_table_from_any_other(
    before: nft.RuleTable, after: nft.RuleTable, namespaces: Any
) -> None:
    listed = _listed(namespaces, before, after)
    made = re.findall(r"^\t(?:set|map) (\S+) \{", listed, flags=re.MULTILINE)
    sets = sorted(after.sets, key=lambda each: made.index(each.name))
    assert _plain(listed) == _plain(nft.text(nft.RuleTable(after.name, after.chains, tuple(sets))))


def test_of_two_services_on_one_port_the_first_wins() -> None:
    table = services.table([_frontend(20, 3), replace(_frontend(20, 4, 5))], NODE)
    assert [each.name for each in table.sets] == ["no-endpoints", "loops", "endpoints-1"]


BAD = [
    ({"exclude_inbound_ports": ("x",)}, "excludeInboundPorts: 'x' is not a port number"),
    ({"exclude_outbound_ports": ("*",)}, "excludeOutboundPorts: '*' is not a port number"),
    ({"include_inbound_ports": ("65536",)}, "includeInboundPorts: '65536' is not a port number"),
    ({"include_outbound_ranges": ("10.0.0/8",)}, "'10.0.0/8' is not a network such as 10.0.0.0/8"),
    ({"exclude_interfaces": ("a-name-too-long-for-a-link",)}, "not the name of a network"),
]


@pytest.mark.parametrize(("given", "problem"), BAD)
def test_an_annotation_that_cannot_be_a_rule_is_named(given: dict[str, Any], problem: str) -> None:
    (found,) = redirect.problems(CaptureOptions(**given))
    assert problem in found


def test_the_defaults_are_no_problem() -> None:
    assert redirect.problems(CaptureOptions()) == ()


@pytest.mark.netns
def test_a_transaction_is_whole_or_nothing(namespaces: Any) -> None:
    fd = namespaces.make()
    good = redirect.ruleset(CaptureOptions())
    broken = nft.RuleTable(
        "broken", (nft.Chain("one", (nft.PacketRule((), nft.Jump("nowhere")),)),)
    )
    with netlink.open_netlink(fd, netlink.NETFILTER) as socket:
        with pytest.raises(netlink.NetlinkError, match="rule in broken one: jump nowhere"):
            nftwire.apply(socket, [*nftwire.create(good), *nftwire.create(broken)])
        nftwire.apply(socket, nftwire.create(good))
        with pytest.raises(netlink.NetlinkError) as caught:
            nftwire.apply(socket, nftwire.create(good))
    assert caught.value.errno == 17
