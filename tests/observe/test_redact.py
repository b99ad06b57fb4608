"""What may be secret is hidden; the rest is left as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lateen.observe import redact

PATHS = {
    "/a": "/a",
    "/a?x=1": "/a?x=1",
    "/a?token=abc&x=1": "/a?token=(redacted)&x=1",
    "/a?x=1&ACCESS_TOKEN=abc": "/a?x=1&ACCESS_TOKEN=(redacted)",
    "/a?code": "/a?code",
    "GET /a?password=p HTTP/1.1": "GET /a?password=(redacted) HTTP/1.1",
}


@pytest.mark.parametrize("path", PATHS)
def test_secret_query_parameters_are_hidden(path: str) -> None:
    assert redact.path(path) == PATHS[path]


def test_secret_headers_are_hidden_in_any_case() -> None:
    pairs = [("Authorization", "Bearer x"), ("cookie", "a=b"), ("SET-COOKIE", "c"), ("host", "h")]
    hidden = redact.HIDDEN
    assert redact.headers(pairs) == [
        ("Authorization", hidden),
        ("cookie", hidden),
        ("SET-COOKIE", hidden),
        ("host", "h"),
    ]


@given(st.lists(st.tuples(st.text(), st.text())))
def test_names_and_order_stay(pairs: list[tuple[str, str]]) -> None:
    assert [name for name, _ in redact.headers(pairs)] == [name for name, _ in pairs]


@given(st.text())
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert redact.path(redact.path(text)) == redact.path(text)
