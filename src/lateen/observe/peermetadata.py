"""What Istio's proxies tell each other about themselves, in `x-envoy-peer-metadata`. Pure."""

import base64
import binascii
import re
from typing import Any

from google.protobuf import json_format, message, struct_pb2

_NAME = re.compile(r"(?i)^\s*x-envoy-peer-metadata:\s*")


def decode(text: str) -> dict[str, Any]:
    """Return the header's value as JSON; its name in front is left out.

    Raises ValueError for what is not base64 of a protobuf Struct.
    """
    value = _NAME.sub("", text).strip()
    try:
        raw = base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
        found: dict[str, Any] = json_format.MessageToDict(struct_pb2.Struct.FromString(raw))
    except (binascii.Error, message.DecodeError, json_format.SerializeToJsonError) as error:
        raise ValueError(
            f"this is no x-envoy-peer-metadata, base64 of a protobuf Struct: {error}"
        ) from error
    if not found:
        raise ValueError("this is no x-envoy-peer-metadata: it holds no fields")
    return found
