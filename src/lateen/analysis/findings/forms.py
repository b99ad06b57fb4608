"""Findings as text and as documents that other programs read: JSON, SARIF, JUnit, GitHub. Pure."""

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

from lateen.analysis.junit import file_text, printable
from lateen.base.jsonvalue import Json
from lateen.model.messages.diagnostics import CATALOGUE, Diagnostic, Level

FORMS = ("log", "json", "yaml", "sarif", "junit", "github")
PAGE = "docs/messages.md"
_SARIF = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "note"}
_GITHUB = {Level.ERROR: "error", Level.WARNING: "warning", Level.INFO: "notice"}
_ISTIO_PAGE = "https://istio.io/latest/docs/reference/config/analysis/"


def line(found: Diagnostic) -> str:
    """Return a finding as istioctl prints it: `Level [CODE] (Kind ns/name file:line) message`."""
    return str(found)


def hint(found: Diagnostic) -> str:
    """Return the field and what to do, as one line; empty where there is neither."""
    return ": ".join(part for part in (found.source.path, found.remedy) if part)


def origin(found: Diagnostic) -> str:
    """Return the object as istioctl names it: `Kind namespace/name`."""
    ref = found.source.ref
    return f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"


def document(found: Diagnostic) -> Json:
    """Return a finding with istioctl's keys, and ours: name, field, remedy."""
    made: Json = {
        "code": found.code,
        "level": found.level.value,
        "origin": origin(found),
        "message": found.message,
        "documentationUrl": _page(found.code),
        "name": found.name,
    }
    if found.location is not None:
        made["reference"] = str(found.location)
    if found.source.path:
        made["field"] = found.source.path
    if found.remedy:
        made["remedy"] = found.remedy
    return made


def _page(code: str) -> str:
    return f"{_ISTIO_PAGE}{code.lower()}/" if code.startswith("IST") else f"{PAGE}#{code.lower()}"


def sarif(every: Sequence[Diagnostic], version: str) -> Json:
    """Return SARIF 2.1.0, which code hosts show beside the changed lines."""
    codes = sorted({each.code for each in every})
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "lateen analyze",
                        "version": version,
                        "rules": [_rule(code) for code in codes],
                    }
                },
                "results": [_result(each, codes.index(each.code)) for each in every],
            }
        ],
    }


def _rule(code: str) -> Json:
    row = CATALOGUE[code]
    return {
        "id": code,
        "name": row.name,
        "shortDescription": {"text": row.name},
        "helpUri": _page(code) if code.startswith("IST") else f"{_ISTIO_PAGE}",
        "defaultConfiguration": {"level": _SARIF[row.level]},
    }


def _result(found: Diagnostic, index: int) -> Json:
    made: Json = {
        "ruleId": found.code,
        "ruleIndex": index,
        "level": _SARIF[found.level],
        "message": {"text": f"{origin(found)}: {found.message}"},
    }
    physical: Json = {}
    if found.location is not None:
        physical = {
            "physicalLocation": {
                "artifactLocation": {"uri": found.location.file.removeprefix("./")},
                "region": {
                    "startLine": found.location.line,
                    "startColumn": found.location.column,
                },
            }
        }
    name = f"{origin(found)}#{found.source.path}" if found.source.path else origin(found)
    made["locations"] = [{**physical, "logicalLocations": [{"fullyQualifiedName": name}]}]
    return made


def junit(every: Sequence[Diagnostic], threshold: Level | None) -> str:
    """Return JUnit's XML: a case for every finding, failed at or above the threshold (for None:
    at errors), else with the finding as its output."""
    limit = (threshold or Level.ERROR).rank
    failures = sum(each.level.rank >= limit for each in every)
    suite = ElementTree.Element(
        "testsuite",
        name="lateen analyze",
        tests=str(max(len(every), 1)),
        failures=str(failures),
    )
    for each in every:
        case = ElementTree.SubElement(
            suite, "testcase", classname=each.code, name=f"{each.name}: {origin(each)}"
        )
        text = "\n".join(part for part in (line(each), hint(each)) if part)
        kind = "failure" if each.level.rank >= limit else "system-out"
        inner = ElementTree.SubElement(case, kind)
        inner.text = printable(text)
        if kind == "failure":
            inner.set("message", printable(each.message))
    if not every:
        ElementTree.SubElement(suite, "testcase", classname="lateen", name="no findings")
    return file_text(suite)


def github(found: Diagnostic) -> str:
    """Return a workflow command of GitHub Actions, which marks the line in a pull request."""
    fields: Mapping[str, str] = {"title": f"{found.code} {found.name}"}
    if found.location is not None:
        fields = {"file": found.location.file, "line": str(found.location.line), **fields}
    listed = ",".join(f"{name}={_escaped(value, ',:')}" for name, value in fields.items())
    text = " ".join(part for part in (f"{origin(found)}: {found.message}.", found.remedy) if part)
    return f"::{_GITHUB[found.level]} {listed}::{_escaped(text)}"


def _escaped(text: str, more: str = "") -> str:
    for char in "%\r\n" + more:
        text = text.replace(char, f"%{ord(char):02X}")
    return text
