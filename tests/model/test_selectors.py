"""Label and field selectors mean what they mean in Kubernetes."""

import pytest
from hypothesis import given, strategies as st

from lateen.model.schema import selectors
from lateen.model.schema.objectmeta import LabelSelector, LabelSelectorRequirement


@pytest.mark.parametrize(
    ("text", "labels", "expected"),
    [
        ("", {}, True),
        ("a=b", {"a": "b"}, True),
        ("a==b", {"a": "c"}, False),
        ("a!=b", {}, True),
        ("a!=b", {"a": "b"}, False),
        ("a in (b, c)", {"a": "c"}, True),
        ("a in (b, c)", {}, False),
        ("a notin (b,c)", {}, True),
        ("a notin (b,c)", {"a": "b"}, False),
        ("a", {"a": ""}, True),
        ("!a", {"a": ""}, False),
        ("! a , b", {"b": "x"}, True),
        ("a=", {"a": ""}, True),
        ("a>5", {"a": "6"}, True),
        ("a>5", {"a": "x"}, False),
        ("a<5", {"a": "4"}, True),
        ("a<5", {}, False),
        ("a<5", {"a": "9" * 30}, False),
        ("a<5", {"a": "-" + "9" * 30}, False),
        ("app.kubernetes.io/name=web,tier in (x)", {"app.kubernetes.io/name": "web"}, False),
        ("in=in", {"in": "in"}, True),
    ],
)
def test_label_selector(text: str, labels: dict[str, str], expected: bool) -> None:
    assert selectors.parse(text).matches(labels) is expected


@pytest.mark.parametrize(
    "text",
    [
        *("a=b,", ",a", "=b", "a b", "a in b", "a in (b", "a>x", "a=b=c", "-a=b", "a=b c", "a=_"),
        *("a>9223372036854775808", "a>" + "9" * 5000),
    ],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"unable to parse|Invalid value"):
        selectors.parse(text)


keys = st.sampled_from(["a", "b", "example.com/c"])
texts = st.sampled_from(["", "x", "y", "z"])
labels = st.dictionaries(keys, texts)
requirements = st.one_of(
    st.builds(
        LabelSelectorRequirement,
        key=keys,
        operator=st.sampled_from(["In", "NotIn"]),
        values=st.lists(texts, min_size=1, max_size=3).map(tuple),
    ),
    st.builds(
        LabelSelectorRequirement, key=keys, operator=st.sampled_from(["Exists", "DoesNotExist"])
    ),
)


@given(
    match_labels=labels,
    expressions=st.lists(requirements, max_size=3).map(tuple),
    given_labels=labels,
)
def test_the_written_form_means_the_same(
    match_labels: dict[str, str],
    expressions: tuple[LabelSelectorRequirement, ...],
    given_labels: dict[str, str],
) -> None:
    selector = selectors.of(LabelSelector(match_labels=match_labels, match_expressions=expressions))
    again = selectors.parse(str(selector))
    assert again.matches(given_labels) is selector.matches(given_labels)


@given(wanted=labels, given_labels=labels)
def test_equality_is_being_a_subset(wanted: dict[str, str], given_labels: dict[str, str]) -> None:
    by_selector = selectors.of(LabelSelector(match_labels=wanted)).matches(given_labels)
    assert by_selector is (wanted.items() <= given_labels.items())
    assert by_selector is selectors.subset(wanted, given_labels)


@given(key=keys, values=st.sets(texts, min_size=1), given_labels=labels)
def test_notin_is_the_complement_of_in(
    key: str, values: set[str], given_labels: dict[str, str]
) -> None:
    listed = ",".join(values)
    inside = selectors.parse(f"{key} in ({listed})").matches(given_labels)
    assert selectors.parse(f"{key} notin ({listed})").matches(given_labels) is not inside


def test_an_unknown_operator_is_refused() -> None:
    broken = LabelSelector(match_expressions=(LabelSelectorRequirement(key="a", operator="Near"),))
    with pytest.raises(ValueError, match="Near"):
        selectors.of(broken)


POD = {
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"nodeName": "n1", "hostNetwork": False},
    "status": {"phase": "Running"},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("metadata.name=web", True),
        ("metadata.name==web,status.phase!=Running", False),
        ("status.podIP=", True),
        ("spec.hostNetwork=false", True),
        ("spec.nodeName!=n2", True),
        (r"metadata.name=w\,b", False),
    ],
)
def test_field_selector(text: str, expected: bool) -> None:
    assert selectors.parse_fields(text).matches(POD) is expected


@pytest.mark.parametrize("text", ["metadata.name", "=x", "a=b=c", "a=b,,c=d"])
def test_what_is_no_field_selector_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="invalid selector"):
        selectors.parse_fields(text)
