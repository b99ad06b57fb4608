"""The few figures of /metrics, in Prometheus' text form."""

from collections import Counter


class Counts:
    """How often each verb was asked of each resource."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()

    def add(self, verb: str, resource: str) -> None:
        """Count a request. Only known resources are kept apart, so that labels stay bounded."""
        if len(self._requests) > 2000:
            resource = "other"
        self._requests[(verb, resource[:64])] += 1

    def exposition(self, revision: int) -> str:
        """Return the text."""
        lines = [
            "# HELP apiserver_request_total Requests by verb and resource.",
            "# TYPE apiserver_request_total counter",
        ]
        for (verb, resource), count in sorted(self._requests.items()):
            shown = "".join(c for c in resource if c.isalnum() or c in "-._")
            lines.append(f'apiserver_request_total{{verb="{verb}",resource="{shown}"}} {count}')
        lines += [
            "# HELP lateen_store_revision The newest revision of the store.",
            "# TYPE lateen_store_revision gauge",
            f"lateen_store_revision {revision}",
        ]
        return "\n".join(lines) + "\n"
