"""What `lateen curl` advises, made: the edits of a remedy, and everything as it was afterwards."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from lateen.causes import change
from lateen.causes.change import Edit
from lateen.model.meta import ObjectRef, parse_source
from tests.e2e.labs import Lab

Json = dict[str, Any]
_SERVERS_OWN = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields")


@contextlib.contextmanager
def made(lab: Lab, remedy: Json) -> Iterator[None]:
    """Make a remedy's changes for the time of a `with`, as `kubectl` makes them."""
    edits = [_edit(each) for each in remedy["edits"]]
    before = {ref: _read(lab, ref) for ref in dict.fromkeys(edit.ref for edit in edits)}
    after: dict[ObjectRef, Json | None] = dict(before)
    for edit in edits:
        after[edit.ref] = change.applied(edit, after[edit.ref])
    try:
        for ref, body in after.items():
            _write(lab, ref, body, there=before[ref] is not None)
        yield
    finally:
        for ref, body in before.items():
            _write(lab, ref, body, there=after[ref] is not None)


def _edit(said: Json) -> Edit:
    ref = parse_source(said["object"]).ref
    return Edit(ref, tuple(said["path"]), said["value"], said["remove"])


def _read(lab: Lab, ref: ObjectRef) -> Json | None:
    done = lab.kubectl("get", ref.kind, ref.name, "-n", ref.namespace, "-o", "json")
    if "NotFound" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    body: Json = json.loads(done.stdout)
    for field in _SERVERS_OWN:
        body["metadata"].pop(field, None)
    body.pop("status", None)
    return body


def _write(lab: Lab, ref: ObjectRef, body: Json | None, *, there: bool) -> None:
    if body is None:
        done = lab.kubectl("delete", ref.kind, ref.name, "-n", ref.namespace)
    else:
        done = lab.run(
            *("kubectl", "replace" if there else "create", "-f", "-"), stdin=json.dumps(body)
        )
    assert done.returncode == 0, done.stderr
    if ref.kind == "Deployment":
        done = lab.kubectl("rollout", "status", f"deployment/{ref.name}", "-n", ref.namespace)
        assert done.returncode == 0, done.stderr
