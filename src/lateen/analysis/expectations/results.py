"""How cases came out: as text, JSON, JUnit. Pure."""

from collections.abc import Sequence
from xml.etree import ElementTree

from lateen.analysis.expectations.values import CaseResult
from lateen.analysis.junit import file_text, printable
from lateen.base.jsonvalue import Json


def count(results: Sequence[CaseResult]) -> str:
    """Return `7 passed, 1 failed`."""
    failed = sum(bool(each.problems) for each in results)
    return f"{len(results) - failed} passed, {failed} failed"


def lines(result: CaseResult) -> list[str]:
    """Return a case in lines; one that failed with its place, its request and what is wrong."""
    if not result.problems:
        return [f"√ {result.case.name}"]
    asked = result.case.request
    start = asked.origin or "outside"
    told = [f"× {result.case.name}   {result.case.place}"]
    if asked.url:
        told.append(f"    {asked.method} {asked.url} from {start}")
    told += [f"    {problem}" for problem in result.problems]
    told += [f"    {line}".rstrip() for line in result.explanation.splitlines()]
    return told


def documents(results: Sequence[CaseResult]) -> list[Json]:
    """Return all cases for programs."""
    return [
        {
            "name": each.case.name,
            "place": each.case.place,
            "passed": not each.problems,
            "problems": list(each.problems),
        }
        for each in results
    ]


def junit(results: Sequence[CaseResult], name: str) -> str:
    """Return JUnit's XML, a failing case with its explanation."""
    failed = sum(bool(each.problems) for each in results)
    suite = ElementTree.Element(
        "testsuite", name=name, tests=str(len(results)), failures=str(failed)
    )
    for each in results:
        place = each.case.place.partition(":")[0]
        case = ElementTree.SubElement(suite, "testcase", classname=place, name=each.case.name)
        if each.problems:
            message = printable("; ".join(each.problems))
            failure = ElementTree.SubElement(case, "failure", message=message)
            failure.text = printable("\n".join(lines(each)))
    return file_text(suite)
