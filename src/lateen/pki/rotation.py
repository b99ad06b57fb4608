"""When a certificate is due for renewal. Pure.

The rule is Istio's agent's: renew when the remaining lifetime falls to a share of the total
(SECRET_GRACE_PERIOD_RATIO 0.5), moved by a jitter of 0.01 either way so that a mesh that started
at one moment does not renew at one moment.
"""

import hashlib
from datetime import datetime, timedelta

RATIO = 0.5
"""Renew when this share of the lifetime is left."""

JITTER = 0.01
"""How far, as a share of the lifetime, a certificate is moved from the ratio at most."""


def renew_at(
    not_before: datetime,
    not_after: datetime,
    *,
    key: str = "",
    ratio: float = RATIO,
    jitter: float = JITTER,
) -> datetime:
    """Return the moment of renewal; `key` (who holds the certificate) picks the jitter."""
    left = min(1.0, max(0.0, ratio + jitter * _spread(f"{key} {not_after.isoformat()}")))
    return not_after - (not_after - not_before) * left


def renew_after(
    not_before: datetime,
    not_after: datetime,
    now: datetime,
    *,
    key: str = "",
    ratio: float = RATIO,
    jitter: float = JITTER,
) -> float:
    """Return the seconds from `now` until renewal; 0 if it is due."""
    due = renew_at(not_before, not_after, key=key, ratio=ratio, jitter=jitter)
    return max(timedelta(0), due - now).total_seconds()


def _spread(text: str) -> float:
    """Map a text to a number from -1 to 1, always the same one."""
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "big") / (2**63) - 1.0
