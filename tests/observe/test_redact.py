"""What may be secret is hidden; the rest is left as it is."""

import json

import pytest
from hypothesis import given, strategies as st

from lateen.observe import redact

HIDDEN = redact.HIDDEN
PATHS = {
    "/a": "/a",
    "/a?x=1": "/a?x=1",
    "/a?token=abc&x=1": "/a?token=(redacted)&x=1",
    "/a?x=1&ACCESS_TOKEN=abc": "/a?x=1&ACCESS_TOKEN=(redacted)",
    "/a?accessToken=abc;x=1": "/a?accessToken=(redacted);x=1",
    "/a?access%5Ftoken=abc": "/a?access%5Ftoken=(redacted)",
    "/a?sig=abc&code=1&api-key=2": "/a?sig=(redacted)&code=(redacted)&api-key=(redacted)",
    "/a?X-Amz-Signature=abc": "/a?X-Amz-Signature=(redacted)",
    "/a?token=x=y==": "/a?token=(redacted)",
    "/a?next=/b?token=abc": "/a?next=/b?token=(redacted)",
    "/a?next=%2Fb%3Ftoken%3Dabc&x=1": "/a?next=(redacted)&x=1",
    "/a?next=%2Fb%3Fx%3Dabc": "/a?next=%2Fb%3Fx%3Dabc",
    "/a?status_code=1&tokenizer=2&monkey=3": "/a?status_code=1&tokenizer=2&monkey=3",
    "/a?code": "/a?code",
    "/a?code=": "/a?code=",
    "https://a/b#id_token=abc": "https://a/b#id_token=(redacted)",
    "https://user:hunter2@a/b": "https://(redacted)@a/b",
    "GET /a?password=p HTTP/1.1": "GET /a?password=(redacted) HTTP/1.1",
}
SECRET = (
    "Authorization",
    "Proxy-Authorization",
    "cookie",
    "SET-COOKIE",
    "x-api-key",
    "X-Auth-Token",
    "x-forwarded-access-token",
    "X-Amz-Security-Token",
    "X-Goog-Api-Key",
    "Ocp-Apim-Subscription-Key",
    "X-CSRF-Token",
    "x-vault-token",
    "clientSecret",
)
OPEN = (
    "host",
    "x-request-id",
    "x-envoy-peer-metadata",
    "x-forwarded-client-cert",
    "sec-websocket-key",
    "etag",
    "content-length",
    "x-b3-traceid",
    "www-authenticate",
)


@pytest.mark.parametrize("path", PATHS)
def test_secret_query_parameters_are_hidden(path: str) -> None:
    assert redact.path(path) == PATHS[path]


@pytest.mark.parametrize("name", SECRET)
def test_headers_that_let_somebody_in_are_hidden(name: str) -> None:
    assert redact.headers([(name, "hunter2")]) == [(name, HIDDEN)]


@pytest.mark.parametrize("name", OPEN)
def test_other_headers_are_shown(name: str) -> None:
    assert redact.headers([(name, "open")]) == [(name, "open")]


def test_a_url_in_a_header_is_a_url() -> None:
    pairs = [("Location", "https://a/b?code=hunter2&x=1"), ("Referer", "/c?token=hunter2")]
    assert [value for _, value in redact.headers(pairs)] == [
        f"https://a/b?code={HIDDEN}&x=1",
        f"/c?token={HIDDEN}",
    ]


BODIES = (
    '{"headers": {"Authorization": "Bearer hunter2", "Host": "a"}, "code": 404}',
    '{"access_token":"hunter2 \\" more", "expires_in": 3600}',
    '{"password": 1234567, "x": 1}',
    '{"cookies": 1, "Cookie": ["a=hunter2", "b"], "x": [1]}',
    '{"users": [{"token": "hunter2"}], "x": 1}',
    '{"a": ["b", {"password": "hunter2"}, {"c": [{"api_key": "hunter2"}]}]}',
    '{"credentials": {"user": "b", "value": ["hunter2", "}"]}, "x": 1}',
    '{"tokens": [["a", "]"], ["hunter2"]], "x": 1}',
)


@pytest.mark.parametrize("body", BODIES)
def test_secret_fields_of_json_are_hidden_and_it_stays_json(body: str) -> None:
    before, after = json.loads(body), json.loads(redact.body(body))
    assert "hunter2" not in json.dumps(after)
    assert "1234567" not in json.dumps(after)
    assert before.keys() == after.keys()
    assert {k: v for k, v in after.items() if isinstance(v, int)}.items() <= before.items()


@pytest.mark.parametrize("cut", ['{"token": "hunter2', '{"a": [{"token": ["b", "hunter2"'])
def test_what_is_cut_off_is_hidden_to_its_end(cut: str) -> None:
    assert "hunter2" not in redact.body(cut)


def test_secret_lines_and_form_fields_are_hidden() -> None:
    text = (
        "Host: a\r\nCookie: a=hunter2; b=hunter2\r\nUser-Agent: b\r\n\r\nx=1&password=hunter2&y=2"
    )
    assert redact.body(text) == (
        f"Host: a\r\nCookie: {HIDDEN}\r\nUser-Agent: b\r\n\r\nx=1&password={HIDDEN}&y=2"
    )


def test_what_the_request_kept_secret_is_hidden_wherever_it_is_echoed() -> None:
    headers = [("Authorization", "Bearer hunter2"), ("Cookie", "a=longvalue; b=2"), ("X", "shown!")]
    known = redact.values(headers, "http://a/?token=queried&x=visible")
    echoed = "you are hunter2, longvalue, queried, visible, shown!, 2"
    assert redact.body(echoed, known) == f"you are {HIDDEN}, {HIDDEN}, {HIDDEN}, visible, shown!, 2"


@given(st.lists(st.tuples(st.text(), st.text())))
def test_names_and_order_stay(pairs: list[tuple[str, str]]) -> None:
    assert [name for name, _ in redact.headers(pairs)] == [name for name, _ in pairs]


SOME_TEXT = st.one_of(
    st.text(), st.text("abktoken=&?;:#\"'[]{}, @/\n"), st.sampled_from([*PATHS, *BODIES])
)


@given(SOME_TEXT)
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert redact.path(redact.path(text)) == redact.path(text)


@given(st.lists(SOME_TEXT).map("".join))
def test_any_body_is_read_without_raising(text: str) -> None:
    assert (redact.body(text) == text) or HIDDEN in redact.body(text)


@pytest.mark.parametrize("part", ["?a=", "%25", "?a=%3Fb%3D"])
def test_urls_within_urls_have_an_end(part: str) -> None:
    assert "hunter2" not in redact.path("/?a=" + part * 5000 + "?token=hunter2")
