"""Which findings are told, which fail a command, and how other programs read them."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, strategies as st

from lateen.analysis.findings import choice, forms, record
from lateen.model.messages.diagnostics import Diagnostic, Level, make
from lateen.model.meta import Location, ObjectRef, Source

SERVICE = Source(ObjectRef("Service", "shop", "web"), "spec.ports[0].name")
NAMESPACE = Source(ObjectRef("Namespace", "", "shop"))
UNNAMED = make("IST0118", SERVICE, name="web", port=80, target=8080).located(
    Location("./mesh/web.yaml", 7, 3)
)
TWICE = make("IST0123", NAMESPACE, labels="a and b", counts="a")
EVERY = [TWICE, UNNAMED]

refs = st.builds(ObjectRef, st.sampled_from(["Service", "Pod"]), st.just("ns"), st.just("name"))
diagnostics = st.builds(
    Diagnostic,
    st.sampled_from(["IST0118", "LTN0150"]),
    st.sampled_from(list(Level)),
    st.builds(Source, refs, st.text(st.characters(codec="ascii", exclude_characters="#/"))),
    st.text(),
    st.text(),
    st.none() | st.builds(Location, st.text(min_size=1), st.integers(1), st.integers(1)),
)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("IST0118", [TWICE]),
        ("IST0118=Service web.shop", [TWICE]),
        ("IST0118=Service *.shop", [TWICE]),
        ("IST0118=Service web.other", EVERY),
        ("IST0123=Namespace shop", [UNNAMED]),
        ("*=Service web.shop", [TWICE]),
    ],
)
def test_suppression_as_istioctl_has_it(text: str, left: list[Diagnostic]) -> None:
    assert choice.told(EVERY, suppressed=[choice.suppression(text)]) == left


@pytest.mark.parametrize("text", ["IST9999", "", "IST9999=Pod x"])
def test_a_code_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="no message has the code"):
        choice.suppression(text)


def test_levels_hide_and_fail() -> None:
    assert choice.told(EVERY, least=choice.level("warning")) == [TWICE]
    assert choice.failing(EVERY, choice.level("Warning"))
    assert not choice.failing(EVERY, choice.level("ERROR"))
    assert not choice.failing(EVERY, None)
    with pytest.raises(ValueError, match="Info, Warning or Error"):
        choice.level("fatal")


@given(st.lists(diagnostics))
def test_what_stands_in_a_baseline_is_not_told_again(found: list[Diagnostic]) -> None:
    keys = [choice.key(each) for each in found]
    assert choice.fresh(found, keys) == []
    assert choice.fresh([*found, TWICE], keys) == [TWICE]
    assert choice.fresh(found, []) == found


def test_a_moved_line_is_no_new_finding() -> None:
    moved = UNNAMED.located(Location("other.yaml", 99))
    assert choice.fresh([moved], [choice.key(UNNAMED)]) == []


@given(st.lists(diagnostics))
def test_records_are_read_back(found: list[Diagnostic]) -> None:
    import msgspec

    sent = msgspec.json.decode(msgspec.json.encode([record.written(each) for each in found]))
    assert record.read(sent) == found


def test_the_line_is_istioctls() -> None:
    assert forms.line(TWICE) == (
        "Warning [IST0123] (Namespace shop) the namespace has the labels a and b: a counts"
    )
    assert forms.line(UNNAMED).startswith("Info [IST0118] (Service shop/web ./mesh/web.yaml:7) ")


def test_json_has_istioctls_keys() -> None:
    told = forms.document(UNNAMED)
    assert told["origin"] == "Service shop/web"
    assert told["reference"] == "./mesh/web.yaml:7"
    assert told["level"] == "Info"
    assert told["documentationUrl"].endswith("/ist0118/")
    assert "reference" not in forms.document(TWICE)


def test_sarif_places_its_results() -> None:
    told = forms.sarif(EVERY, "1")
    run = told["runs"][0]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[each["ruleIndex"]] for each in run["results"]] == ["IST0123", "IST0118"]
    place = run["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "mesh/web.yaml"
    assert place["region"] == {"startLine": 7, "startColumn": 3}
    assert "physicalLocation" not in run["results"][0]["locations"][0]
    json.dumps(told)


@given(st.lists(diagnostics))
def test_junit_is_xml_whatever_the_words(found: list[Diagnostic]) -> None:
    suite = ElementTree.fromstring(forms.junit(found, Level.WARNING).encode())
    assert int(suite.get("failures", "")) == len(suite.findall("testcase/failure"))
    failing = sum(each.level is not Level.INFO for each in found)
    assert int(suite.get("failures", "")) == failing


@given(diagnostics)
def test_githubs_command_is_one_line(found: Diagnostic) -> None:
    told = forms.github(found)
    assert "\n" not in told
    assert "\r" not in told
    assert told.startswith(("::error ", "::warning ", "::notice "))


def test_the_page_tells_of_every_message() -> None:
    page = (Path(__file__).parents[2] / "docs" / "messages.md").read_text()
    assert "### LTN0150 TlsRefused" in page
