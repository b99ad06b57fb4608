"""Answers of the lab's own API, which a plane of another version than this command may give."""

import json
from typing import Any

import msgspec

from lateen import __version__
from lateen.app.lab.lab import LabError

OTHER_VERSION = "LTN0047"


class Answer(dict[str, Any]):
    """An object of an answer. A field that is not in it is one that the lab's version does not
    tell: reading it raises LabError that says so, and what to do."""

    def __init__(self, fields: dict[str, Any], theirs: str = "") -> None:
        super().__init__(fields)
        self._theirs = theirs

    def __missing__(self, name: str) -> Any:
        raise LabError(version_message(self._theirs, f": it does not tell {name!r}"))


def read(content: bytes, theirs: str) -> Any:
    """Return a JSON answer of a plane of this version (empty: one too old to say).

    Raises ValueError for what is not JSON.
    """
    return json.loads(content, object_hook=lambda fields: Answer(fields, theirs))


def converted(answer: Any, form: type[Any]) -> Any:
    """Return an answer as a struct. Raises LabError where the lab's version has another form."""
    try:
        return msgspec.convert(answer, form)
    except msgspec.ValidationError as error:
        theirs = answer._theirs if isinstance(answer, Answer) else ""
        raise LabError(version_message(theirs, f": {error}")) from error


def version_message(theirs: str, effect: str = "") -> str:
    """Return the words for a lab of this version (empty: one too old to say)."""
    from lateen.model.messages import diagnostics  # most commands meet no other version

    row = diagnostics.CATALOGUE[OTHER_VERSION]
    names = {"theirs": theirs or "of an older version", "ours": __version__}
    if theirs == __version__:
        names["theirs"] = f"{theirs} too, but of another build"
    return f"{row.template.format(**names, effect=effect)}. {row.remedy} [{OTHER_VERSION}]"
