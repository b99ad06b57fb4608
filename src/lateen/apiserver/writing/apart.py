"""Large writes, decided beside the event loop.

To read, check and merge an object of a thousand rules takes longer than anybody else should wait.
It is done in a thread, which only reads, and stored in the loop if the object is still what it was.
Otherwise it is decided again, as every API server does for a patch.
"""

import asyncio
from collections.abc import Callable, Mapping

from lateen.apiserver.kinds import crds
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.writing.verbs import Commit, Written
from lateen.base.jsonvalue import JsonView
from lateen.model.client import ApiError

LARGE = 32 * 1024
"""Bytes of a body, or their like: some hundred rules of a VirtualService, five milliseconds."""
_PARTS = 100
"""Elements of the longest list of a spec: some hundred rules, where no bytes were sent."""
_ATTEMPTS = 3
"""Decisions in a thread, before one is made and stored in one step."""


def worth(target: Target) -> bool:
    """Tell whether a large object of a kind takes long: it is made of many small parts, by rules
    that only read. (A ConfigMap is large by its texts.)"""
    if target.subresource:
        return False
    info = target.info
    return info.is_istio or bool(target.kind.schemas) or info.resource == crds.RESOURCE


def many(body: JsonView) -> bool:
    """Tell whether an object that came as values is large."""
    spec = body.get("spec")
    fields = spec.values() if isinstance(spec, Mapping) else ()
    return max((len(one) for one in fields if isinstance(one, list)), default=0) >= _PARTS


async def write(decide: Callable[[], Commit]) -> Written:
    """Decide in a thread and store. Raises what the decision raises, and ApiError 409."""
    for _ in range(_ATTEMPTS):
        try:
            commit = await asyncio.to_thread(decide)
        except (LookupError, RuntimeError):
            break  # what it read was written meanwhile, or it is a fault that shows itself again
        try:
            return commit()
        except ApiError as error:
            if error.code != 409:
                raise
    return decide()()
