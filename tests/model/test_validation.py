"""What is refused and what is warned of, by kind: examples with every rule."""

from pathlib import Path
from typing import Any

import pytest

from lateen.model.manifests import reader
from lateen.model.schema import decode, kinds
from lateen.model.validation import dispatch, syntax

CASES = sorted((Path(__file__).parent / "cases" / "validation").iterdir())
WALKTHROUGH = sorted((Path(__file__).parents[2] / "examples" / "walkthrough").glob("*.yaml"))


def examine(manifest: reader.Manifest) -> dict[str, Any]:
    info = kinds.find(manifest.body["apiVersion"], manifest.body["kind"])
    assert info is not None
    found = dispatch.validate(info, decode.decode(info, manifest.body).object)
    return {
        "name": manifest.body["metadata"].get("name", ""),
        "errors": [str(finding) for finding in found.errors],
        "warnings": [str(finding) for finding in found.warnings],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_case(case: Path, golden: Any) -> None:
    parsed = reader.parse((case / "in.yaml").read_text(), "in.yaml")
    assert not parsed.problems
    golden(case / "out.yaml", [examine(manifest) for manifest in parsed.manifests])


def test_the_walkthrough_is_sound() -> None:
    found = [
        examine(manifest)
        for file in WALKTHROUGH
        for manifest in reader.parse(file.read_text(), file.name).manifests
    ]
    assert len(found) == 8
    assert not [one for one in found if one["errors"] or one["warnings"]]


@pytest.mark.parametrize(
    ("host", "sound"),
    [
        ("a", True),
        ("a.b-c.example.com.", True),
        ("*.example.com", True),
        ("*", True),
        ("*foo.com", True),
        ("", False),
        ("a.*.com", False),
        ("a.b.1", False),
        ("-a.com", False),
        ("a" * 64 + ".com", False),
    ],
)
def test_wildcard_domain(host: str, sound: bool) -> None:
    assert (syntax.wildcard_domain(host) == "") is sound


@pytest.mark.parametrize(
    ("pattern", "sound"),
    [
        ("a.*b", True),
        (r"\pL+\z", True),
        ("[[:alpha:]]+", True),
        ("(?P<n>x)", True),
        ("(", False),
        ("(?!x)", False),
        (r"(a)\1", False),
        ("a++", False),
        (r"\Qa+(b\E.*", True),
        (r"/\Q(?!x)", True),
        (r"\x{1F600}?\x{10000}", True),
        (r"\\Q(", False),
        ("(?U)a+(?Us:b)", True),
        ("(?x)a b", False),
        ("(?u:a)", False),
        ("[[:foo:]]", False),
        (r"\pX", False),
        ("(?<n>x)y", True),
        ("a(?i)b(?-i)c", True),
        ("a{1000}b{2,1000}c{3}d{12,}", True),
        ("a{1001}", False),
        ("a{2,1001}", False),
        ("a{99999999999999999999}", False),
        ("(?#x)a", False),
        ("(?P<n>a)(?P=n)", False),
        (r"a\Z", False),
        (r"\u0041", False),
        ("x" * 1025, False),
    ],
)
def test_patterns_are_those_of_re2(pattern: str, sound: bool) -> None:
    assert (syntax.pattern(pattern) == "") is sound


@pytest.mark.parametrize(
    ("general", "host", "covered"),
    [
        ("*", "a.b", True),
        ("*.b", "a.b", True),
        ("*.b", "*.a.b", True),
        ("*.a.b", "*.b", False),
        ("a.b", "a.b", True),
        ("*.b", "b", False),
    ],
)
def test_covers(general: str, host: str, covered: bool) -> None:
    assert syntax.covers(general, host) is covered
