"""Rules for the volumes of pods. Pure.

Words and reasons are the API server's.
"""

import operator
from collections.abc import Sequence

from lateen.model.kube.core.volume import DownwardAPIVolumeFile, KeyToPath, Volume
from lateen.model.validation.kube import metadata, names
from lateen.model.validation.report import Report

_LARGEST_MODE = 0o777
_SOURCES = [
    (name, operator.attrgetter(attribute))
    for attribute, name in zip(
        Volume.__struct_fields__, Volume.__struct_encode_fields__, strict=True
    )
    if attribute != "name"
]
"""What a volume may be made of, each by the name of its field."""


def check(report: Report, volumes: Sequence[Volume], path: str) -> set[str]:
    """Check volumes; return their names."""
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        at = f"{path}[{index}]"
        metadata.dns_label(report, volume.name, f"{at}.name")
        if volume.name in seen:
            report.duplicate(f"{at}.name", volume.name)
        seen.add(volume.name)
        sources = [name for name, given in _SOURCES if given(volume) is not None]
        for name in sources[1:]:
            report.forbidden(f"{at}.{name}", "may not specify more than 1 volume type")
        _files(report, volume, at)
    return seen


def _files(report: Report, volume: Volume, path: str) -> None:
    secret, config, projected = volume.secret, volume.config_map, volume.projected
    if secret is not None:
        if not secret.secret_name:
            report.required(f"{path}.secret.secretName")
        _mode(report, secret.default_mode, f"{path}.secret.defaultMode")
        _keys(report, secret.items, f"{path}.secret.items")
    if config is not None:
        if not config.name:
            report.required(f"{path}.configMap.name")
        _mode(report, config.default_mode, f"{path}.configMap.defaultMode")
        _keys(report, config.items, f"{path}.configMap.items")
    if volume.downward_api is not None:
        _mode(report, volume.downward_api.default_mode, f"{path}.downwardAPI.defaultMode")
        _fields(report, volume.downward_api.items, f"{path}.downwardAPI.items")
    if projected is None:
        return
    _mode(report, projected.default_mode, f"{path}.projected.defaultMode")
    for index, source in enumerate(projected.sources):
        at = f"{path}.projected.sources[{index}]"
        for one, name in ((source.secret, "secret"), (source.config_map, "configMap")):
            if one is not None:
                if not one.name:
                    report.required(f"{at}.{name}.name")
                _keys(report, one.items, f"{at}.{name}.items")
        if source.downward_api is not None:
            _fields(report, source.downward_api.items, f"{at}.downwardAPI.items")


def _keys(report: Report, items: Sequence[KeyToPath], path: str) -> None:
    for index, item in enumerate(items):
        _file(report, item.path, f"{path}[{index}].path")
        _mode(report, item.mode, f"{path}[{index}].mode")


def _fields(report: Report, items: Sequence[DownwardAPIVolumeFile], path: str) -> None:
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        _file(report, item.path, f"{at}.path")
        _mode(report, item.mode, f"{at}.mode")
        if item.field_ref is None and item.resource_field_ref is None:
            report.required(at, "one of fieldRef and resourceFieldRef is required")


def _file(report: Report, text: str, path: str) -> None:
    detail = names.descending(text)
    if not detail and text.startswith(".."):
        detail = "must not start with '..'"
    report.rule(path, text, detail)


def _mode(report: Report, mode: int | None, path: str) -> None:
    if mode is not None and not 0 <= mode <= _LARGEST_MODE:
        detail = "must be a number between 0 and 0777 (octal), both inclusive"
        report.invalid(path, mode, detail)
