"""The form of CEL expressions: what is one, and that no text makes the reader fail."""

import pytest
from hypothesis import given, strategies as st

from lateen.model.validation import cel


@pytest.mark.parametrize(
    "expression",
    [
        "response.code >= 400",
        "!has(response.code)",
        "has(response.code) && response.code >= 400 || connection.mtls == false",
        "request.headers['x-a'] in [\"b\", 'c',]",
        "request.url_path.startsWith('/a') ? true : -1 < 2.5e3",
        "xds.cluster_name.contains(r'\\w')",
        "size({'a': 1u, 'b': 0x1F,}) == 2",
        "[1, 2].exists(x, x > 1)",
        ".google.type.Money{units: 1}.units == 1",
        '"""a\n"b""" + b"c" != null',
        "(((1)))",
        "--1 == !!true",
    ],
)
def test_expressions(expression: str) -> None:
    assert cel.problem(expression) == ""


@pytest.mark.parametrize(
    ("expression", "wrong"),
    [
        ("", "unexpected end at character 1"),
        ("response.code >=", "unexpected end at character 17"),
        ("response.code = 400", "unexpected '=' at character 15"),
        ("a b", "unexpected 'b' at character 3"),
        ("(a", "unexpected end at character 3"),
        ("f(a,)", "unexpected ')' at character 5"),
        ("a ? b", "unexpected end at character 6"),
        ("'open", """unexpected "'" at character 1"""),
        ("a.1", "unexpected '.1' at character 2"),
        ("for", "unexpected 'for' at character 1"),
        ("a && && b", "unexpected '&&' at character 6"),
        ("(" * 100 + "1" + ")" * 100, "nested deeper than 60 levels"),
    ],
)
def test_what_is_wrong_and_where(expression: str, wrong: str) -> None:
    assert cel.problem(expression) == wrong


@given(st.text(alphabet="ab.()[]{}'\"\\!&|?:,<>=+-*/% 1x\n", max_size=40))
def test_any_text_is_judged(expression: str) -> None:
    assert isinstance(cel.problem(expression), str)


OPERANDS = st.sampled_from(["a", "a.b", "1", "'x'", "f(a, 1)", "a[0]", "[1]", "{1: 2}"])


@given(
    st.recursive(
        OPERANDS,
        lambda e: st.one_of(
            st.tuples(e, st.sampled_from(["&&", "||", "==", "<", "+", "*", "in"]), e).map(" ".join),
            e.map("({})".format),
            e.map("!({})".format),
            st.tuples(e, e, e).map(lambda t: f"({t[0]}) ? ({t[1]}) : {t[2]}"),
        ),
        max_leaves=8,
    )
)
def test_what_is_built_by_the_grammar_is_an_expression(expression: str) -> None:
    assert cel.problem(expression) == ""
