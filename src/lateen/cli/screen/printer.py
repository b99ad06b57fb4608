"""Objects as kubectl prints them: JSON, or YAML in the form that Go's library gives it."""

import json
import re
from collections.abc import Sequence
from typing import Any

from lateen.base.jsonvalue import Json

_ALSO = frozenset(("y", "Y", "n", "N"))
"""What Go's library reads as a boolean in YAML and ours does not."""
_NUMBER = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?0[obx][0-9a-fA-F_]+"
)
"""What it reads as a number, `1e3` and `0o7` too."""
_TEXTS = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:yaml")
"""What Go's library takes for a text: the second is a lone sign, such as `*`."""
IN_GO = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
"""What Go escapes in JSON, so that it can stand in a page."""


def plain(item: Json) -> Json:
    """Return an object without the books of who manages which field, as kubectl shows it."""
    metadata = {k: v for k, v in (item.get("metadata") or {}).items() if k != "managedFields"}
    return {**item, "metadata": metadata}


def listed(items: Sequence[Json]) -> Json:
    """Return the list that several objects are printed as."""
    metadata = {"resourceVersion": ""}
    return {"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": metadata}


def document(value: Json, form: str) -> str:
    """Return a value as `json` or `yaml`, keys in order of the alphabet."""
    if form == "json":
        text = json.dumps(value, indent=4, sort_keys=True, ensure_ascii=False)
        return text.translate(IN_GO) + "\n"
    return _yaml(value)


def _yaml(value: Json) -> str:
    import yaml

    class Dumper(yaml.CSafeDumper):
        """Double quotes for texts that look like something else, blocks for those of lines."""

        def ignore_aliases(self, data: Any) -> bool:
            """Write a value out wherever it is, though it is the same."""
            return True

    def text(dumper: Any, data: str) -> Any:
        seen = dumper.resolve(yaml.ScalarNode, data, (True, False))
        style = "|" if "\n" in data else None
        if seen not in _TEXTS or data in _ALSO or _NUMBER.fullmatch(data):
            style = '"'
        return dumper.represent_scalar(dumper.DEFAULT_SCALAR_TAG, data, style=style)

    Dumper.add_representer(str, text)
    made: str = yaml.dump(value, Dumper=Dumper, sort_keys=True, width=80, allow_unicode=True)
    return made.removesuffix("...\n")
