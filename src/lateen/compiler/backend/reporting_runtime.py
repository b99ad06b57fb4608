"""Runtime values (RTDS): what proxies are told without a change of their configuration. Pure."""

from functools import lru_cache

from envoy.service.runtime.v3 import rtds_pb2

from lateen.compiler.backend import names
from lateen.compiler.output import Resource, ResourceSet, ResourceType


@lru_cache(maxsize=16)
def reporting(one_in: int) -> ResourceSet:
    """Return the layer by which one in so many requests is reported for evidence, failures aside
    (see `access_logs.http`). Raises ValueError below 1."""
    if one_in < 1:
        raise ValueError(f"one request in {one_in}: use 1 or more")
    made = rtds_pb2.Runtime(name=names.RUNTIME_LAYER)
    made.layer[names.REPORTED_KEY] = max(1, names.REPORTED_OF // one_in)
    body = made.SerializeToString(deterministic=True)
    resource = Resource(ResourceType.RUNTIME, names.RUNTIME_LAYER, body)
    return ResourceSet({ResourceType.RUNTIME: {names.RUNTIME_LAYER: resource}})
