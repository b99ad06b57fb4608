"""Edges and requests as Mermaid."""

from hypothesis import given, strategies as st

from lateen.cli.screen import diagrams

EDGE = {"port": "80", "tls": "mtls", "requests": 2, "errors": 0, "sampled": False}


def test_a_graph_says_what_travelled_and_what_failed() -> None:
    plain = {**EDGE, "source": "host", "target": "a/gw", "tls": "none", "errors": 1}
    assert diagrams.graph([{**EDGE, "source": "a/gw", "target": "b/web"}, plain]) == (
        "flowchart LR\n"
        '    n0["a/gw"]\n'
        '    n1["b/web"]\n'
        '    n2["host"]\n'
        '    n0 -->|"mutual TLS :80, 2"| n1\n'
        '    n2 ==>|"plaintext :80, 2, 1 failed"| n0\n'
    )


def test_a_sequence_ends_where_it_failed() -> None:
    leg = {
        "from": {"role": "host", "name": "host"},
        "to": {"role": "gateway", "name": "a/gw"},
        "tls": "tls",
        "failed": True,
        "wire": {"request": "", "sni": "x", "version": "TLSv1.3"},
        "reasons": [{"side": "server", "text": "no certificate"}],
    }
    told = diagrams.sequence({"legs": [leg], "verdict": {"sentence": "503: it failed; why"}})
    assert told == (
        "sequenceDiagram\n"
        "    participant p0 as host\n"
        "    participant p1 as gateway gw\n"
        "    p0-xp1: TLS: x\n"
        "    Note over p1: no certificate\n"
        "    Note over p0,p1: 503: it failed#59; why\n"
    )


@given(st.text())
def test_a_name_stays_within_its_quotes(name: str) -> None:
    told = diagrams.graph([{**EDGE, "source": name, "target": "b"}])
    (line,) = [one for one in told.split("\n") if one.startswith("    n0[")]
    inner = line.removeprefix('    n0["').removesuffix('"]')
    assert not set(inner) & set('"<>')
