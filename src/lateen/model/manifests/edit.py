"""Changing a field in the text that somebody wrote: everything else stays as it stands. Pure."""

import json
import re
from collections.abc import Sequence

import msgspec
import yaml

from lateen.model.manifests import yamlscalars

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]|\['([^']*)'\]")


class EditError(ValueError):
    """The text has no such field, or is not laid out so that it can be changed."""


class Put(msgspec.Struct, frozen=True):
    """Set a field, or add it below a field that is there. `value` is a scalar or JSON."""

    path: str
    value: object


class Drop(msgspec.Struct, frozen=True):
    """Take a field, or an element of a list, away with all that is below it."""

    path: str


class Append(msgspec.Struct, frozen=True):
    """Add an element to the end of a list."""

    path: str
    value: object


Edit = Put | Drop | Append


def edited(text: str, line: int, edit: Edit) -> str:
    """Return a file's text with one field changed in the document that begins at a line (from 1).

    Raises EditError.
    """
    root = _document(text, line)
    way = steps(edit.path)
    if isinstance(edit, Drop):
        return _dropped(text, root, way)
    if isinstance(edit, Append):
        return _appended(text, _node(root, way), edit.value)
    return _put(text, root, way, edit.value)


def without(text: str, line: int) -> str:
    """Return a file's text without the document that begins at a line (from 1).

    Raises EditError.
    """
    root = _document(text, line)
    begins = text.rfind("\n---", 0, int(root.start_mark.index))
    begins = max(begins + 1, 0)
    ends = text.find("\n---", int(root.start_mark.index))
    if begins == 0 and ends >= 0:
        return text[ends + 1 :].partition("\n")[2]
    return text[:begins] + (text[ends + 1 :] if ends >= 0 else "")


def _document(text: str, line: int) -> yaml.Node:
    loader = yaml.CSafeLoader(text)
    try:
        while loader.check_node():
            node = loader.get_node()
            if node is not None and node.start_mark.line == line - 1:
                return node
    except yaml.YAMLError as error:
        raise EditError(str(error)) from error
    finally:
        loader.dispose()
    raise EditError(f"no document begins at line {line}")


def steps(path: str) -> list[str | int]:
    """Return a path as names and numbers of elements."""
    return [int(index) if index else name or quoted for name, index, quoted in _STEP.findall(path)]


def _child(node: yaml.Node, step: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return key and value of a step down, of an element itself twice; None where there is none."""
    if isinstance(step, int):
        if not isinstance(node, yaml.SequenceNode) or step >= len(node.value):
            return None
        return node.value[step], node.value[step]
    if not isinstance(node, yaml.MappingNode):
        return None
    return next(((k, v) for k, v in node.value if k.value == step), None)


def _node(root: yaml.Node, way: Sequence[str | int]) -> yaml.Node:
    node = root
    for step in way:
        found = _child(node, step)
        if found is None:
            raise EditError(f"no field {step}")
        node = found[1]
    return node


def _put(text: str, root: yaml.Node, way: Sequence[str | int], value: object) -> str:
    node, left = root, list(way)
    while left:
        found = _child(node, left[0])
        if found is None:
            break
        node = found[1]
        left.pop(0)
    if not left:
        return _replaced(text, node, value)
    if not isinstance(node, yaml.MappingNode) or any(isinstance(each, int) for each in left):
        raise EditError(f"nothing to add {left[0]} to")
    for step in reversed(left[1:]):
        value = {step: value}
    return _added(text, node, str(left[0]), value)


def _replaced(text: str, node: yaml.Node, value: object) -> str:
    start, end = node.start_mark.index, _end(text, node)
    return text[:start] + _flow(value) + text[end:]


def _end(text: str, node: yaml.Node) -> int:
    """Return where a node's text ends: of a block, the parser's mark is at what comes next."""
    end = int(node.end_mark.index)
    return int(node.start_mark.index) + len(text[node.start_mark.index : end].rstrip())


def _flow(value: object) -> str:
    """Write a value in one line: a plain word where that is enough."""
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z][A-Za-z0-9_./-]*", value):
        return value if isinstance(yamlscalars.resolve(value), str) else json.dumps(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{key}: {_flow(each)}" for key, each in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return json.dumps(value)


def _added(text: str, node: yaml.MappingNode, key: str, value: object) -> str:
    if node.flow_style or not node.value:
        return _into_braces(text, node, f"{key}: {_flow(value)}")
    column = node.value[0][0].start_mark.column
    at = _line_end(text, _end(text, node))
    block = _block(key, value, column)
    return text[:at] + "\n" + block + text[at:]


def _into_braces(text: str, node: yaml.Node, written: str) -> str:
    end = int(node.end_mark.index) - 1
    if end < 0 or text[end] not in "}]":
        raise EditError("an empty field has no place to write to")
    before = text[int(node.start_mark.index) + 1 : end]
    separator = ", " if before.strip() else ""
    return (
        text[: int(node.start_mark.index) + 1 + len(before.rstrip())]
        + separator
        + written
        + text[end:]
    )


def _line_end(text: str, index: int) -> int:
    found = text.find("\n", index)
    return len(text) if found < 0 else found


def _block(name: str, value: object, column: int) -> str:
    margin = " " * column
    if isinstance(value, dict) and value:
        inner = "\n".join(_block(str(key), each, column + 2) for key, each in value.items())
        return f"{margin}{name}:\n{inner}"
    return f"{margin}{name}: {_flow(value)}"


def _appended(text: str, node: yaml.Node, value: object) -> str:
    if not isinstance(node, yaml.SequenceNode):
        raise EditError("not a list")
    if node.flow_style or not node.value:
        return _into_braces(text, node, _flow(value))
    first = node.value[0].start_mark
    dash = text.rfind("-", 0, first.index)
    column = dash - text.rfind("\n", 0, dash) - 1
    at = _line_end(text, _end(text, node))
    return text[:at] + "\n" + " " * column + "- " + _flow(value) + text[at:]


def _dropped(text: str, root: yaml.Node, way: Sequence[str | int]) -> str:
    parent = _node(root, way[:-1])
    found = _child(parent, way[-1])
    if found is None:
        raise EditError(f"no field {way[-1]}")
    if len(parent.value) == 1 and len(way) > 1:
        return _dropped(text, root, way[:-1])  # an empty field says nothing, or something else
    start, end = int(found[0].start_mark.index), _end(text, found[1])
    if isinstance(parent, yaml.CollectionNode) and parent.flow_style:
        return _out_of_braces(text, start, end)
    begins = text.rfind("\n", 0, start) + 1
    lead = text[begins:start]
    ends = min(_line_end(text, end) + 1, len(text))
    if isinstance(way[-1], int) or not lead.strip():
        return text[:begins] + text[ends:]
    following = _next_key(parent, found[0])  # the first key of a list's element: `- name: x`
    if following is None:
        raise EditError("the only field of an element")
    return text[:start] + text[int(following.start_mark.index) :]


def _next_key(parent: yaml.Node, key: yaml.Node) -> yaml.Node | None:
    keys = [each for each, _ in parent.value]
    position = next(n for n, each in enumerate(keys) if each is key)
    return keys[position + 1] if position + 1 < len(keys) else None


def _out_of_braces(text: str, start: int, end: int) -> str:
    after = re.match(r"\s*,\s*", text[end:])
    if after is not None:
        return text[:start] + text[end + after.end() :]
    before = re.search(r"\s*,\s*$", text[:start])
    return text[: before.start() if before is not None else start] + text[end:]
