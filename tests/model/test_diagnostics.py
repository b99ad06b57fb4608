"""The catalogue is complete, and its page shows all of it."""

import re

import pytest

from lateen.model.messages import diagnostics
from lateen.model.meta import Location, parse_source
from lateen.model.schema import decode, kinds
from lateen.model.validation import codes

SOURCE = parse_source("VirtualService/default/web#spec.gateways[0]")


def test_codes_are_unique_and_well_formed() -> None:
    rows = [row for rows in diagnostics.SECTIONS.values() for row in rows]
    assert len({row.code for row in rows}) == len(rows) == len(diagnostics.CATALOGUE)
    assert len({row.name for row in rows}) == len(rows)
    assert all(re.fullmatch(r"(LTN|IST)\d{4}", row.code) for row in rows)
    assert all(row.remedy and row.template for row in rows)


@pytest.mark.parametrize("code", sorted(diagnostics.CATALOGUE))
def test_every_message_can_be_made_from_its_arguments(code: str) -> None:
    names = diagnostics.arguments(diagnostics.CATALOGUE[code])
    found = diagnostics.make(code, SOURCE, **{name: f"<{name}>" for name in names})
    assert all(f"<{name}>" in found.message + found.remedy for name in names)
    assert "{" not in found.message + found.remedy


def test_a_finding_reads_as_istioctl_prints_it() -> None:
    found = diagnostics.make("IST0101", SOURCE, reftype="gateway", refval="gw")
    assert str(found) == 'Error [IST0101] (VirtualService default/web) there is no gateway "gw"'
    placed = found.located(Location("web.yaml", 7))
    assert str(placed).startswith("Error [IST0101] (VirtualService default/web web.yaml:7) ")
    assert placed.name == "ReferencedResourceNotFound"


def test_worst_first() -> None:
    warning = diagnostics.make("IST0127", SOURCE, where="namespace default", labels="a=b")
    error = diagnostics.make("IST0101", SOURCE, reftype="gateway", refval="gw")
    assert diagnostics.worst_first([warning, error]) == [error, warning]


def test_the_page_lists_every_code_once() -> None:
    page = diagnostics.page()
    assert sorted(re.findall(r"^### (\w+)", page, re.M)) == sorted(diagnostics.CATALOGUE)
    assert "{" not in page


def test_problems_and_findings_get_their_codes() -> None:
    info = kinds.KINDS["virtualservices.networking.istio.io"]
    route = [{"destination": {"host": "a"}}]
    body = {
        "metadata": {"name": "web"},
        "spec": {
            "hosts": ["a.b.1"],
            "httpp": [],
            "http": [
                {"match": [{"uri": {"exact": "/x"}}], "route": route},
                {"match": [{"uri": {"exact": "/x"}}, {"uri": {"exact": "/y"}}], "route": route},
                {"route": route},
                {"route": route, "timeout": 5},
            ],
        },
    }
    decoded = decode.decode(info, body)
    assert [(codes.CODES[p.kind], p.path) for p in decoded.problems] == [
        ("LTN0002", "spec.httpp"),
        ("LTN0003", "spec.http[3].timeout"),
    ]
    found = codes.warnings(info, decoded.object)
    assert [(f.code, f.source.path) for f in found] == [
        ("IST0131", "spec.http[1].match[0]"),
        ("IST0130", "spec.http[3]"),
    ]
    assert found[0].message.startswith("match [0] of rule spec.http[1] has no effect: ")
