"""A proxy's own configuration, from all who have a say in it. Pure.

From the weakest to the strongest, as in Istio: the mesh's defaultConfig, a ProxyConfig of the root
namespace, one of the pod's namespace, the pod's annotation, one of its namespace that selects it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields

ANNOTATION = "proxy.istio.io/config"
METADATA = "proxyMetadata"


def effective(
    pod: JsonView, namespace: str, objects: Iterable[JsonView], default: JsonView, root: str
) -> Json:
    """Return what holds for a pod. Of several ProxyConfigs on one level the oldest counts; of
    `proxyMetadata` each key by itself. `root` is the root namespace."""
    written = sorted(objects, key=_age)
    labels = fields.labels(pod)
    levels: list[JsonView] = [default]
    for home in dict.fromkeys((root, namespace)):
        levels += _first(each for each in written if _is_for(each, home) and not _selector(each))
    levels.append(annotated(pod))
    levels += _first(
        each
        for each in written
        if _is_for(each, namespace)
        and _selector(each)
        and _selector(each).items() <= labels.items()
    )
    found: Json = {}
    for level in levels:
        for key, value in level.items():
            before = found.get(key)
            joins = key == METADATA and isinstance(value, Mapping) and isinstance(before, Mapping)
            found[key] = {**found[key], **value} if joins else value
    return found


def annotated(pod: JsonView) -> JsonView:
    """Return the pod's own part; nothing where it cannot be read."""
    text = fields.annotations(pod).get(ANNOTATION, "")
    if not text:
        return {}
    import yaml  # 8 ms, and few pods have the annotation

    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    return config if isinstance(config, dict) else {}


def variables(config: JsonView) -> list[Json]:
    """Return the variables of the proxy's container that its configuration sets."""
    metadata = config.get(METADATA)
    if not isinstance(metadata, Mapping):
        return []
    return [{"name": str(name), "value": str(value)} for name, value in metadata.items()]


def image_type(config: JsonView) -> str:
    """Return which sort of proxy image is asked for; empty for the usual one."""
    image = config.get("image")
    kind = image.get("imageType") if isinstance(image, Mapping) else ""
    return str(kind) if kind and kind != "default" else ""


def _first(found: Iterable[JsonView]) -> list[Json]:
    return [_said(each) for each in found][:1]


def _said(obj: JsonView) -> Json:
    """Return the three things that an object can say, under the names of the configuration."""
    spec = fields.spec(obj)
    said: Json = {}
    if spec.get("concurrency") is not None:
        said["concurrency"] = spec["concurrency"]
    if spec.get("environmentVariables"):
        said[METADATA] = spec["environmentVariables"]
    if spec.get("image"):
        said["image"] = spec["image"]
    return said


def _is_for(obj: JsonView, namespace: str) -> bool:
    return fields.namespace(obj) == namespace


def _selector(obj: JsonView) -> Mapping[str, Any]:
    selector = fields.spec(obj).get("selector") or {}
    found: Mapping[str, Any] = selector.get("matchLabels") or {}
    return found


def _age(obj: JsonView) -> tuple[str, str]:
    return str(obj["metadata"].get("creationTimestamp") or ""), fields.name(obj)
