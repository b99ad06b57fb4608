"""Which entries stand for others while only a share of the requests is reported."""

import pytest
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2

from lateen.xds import als


def message(*made: accesslog_pb2.HTTPAccessLogEntry) -> bytes:
    return als_pb2.StreamAccessLogsMessage(
        http_logs=als_pb2.StreamAccessLogsMessage.HTTPAccessLogEntries(log_entry=made)
    ).SerializeToString()


def entry(status: int, flags: str = "-", **grpc: str) -> accesslog_pb2.HTTPAccessLogEntry:
    made = accesslog_pb2.HTTPAccessLogEntry()
    made.response.response_code.value = status
    made.common_properties.custom_tags["response_flags"] = flags
    for where, value in grpc.items():
        getattr(made.response, f"response_{where}")["grpc-status"] = value
    return made


@pytest.mark.parametrize(
    ("made", "sampled"),
    [
        (entry(200), True),
        (entry(304), True),
        (entry(200, trailers="0"), True),
        (entry(399), True),
        (entry(400), False),
        (entry(503, "UF"), False),
        (entry(0, "DC"), False),
        (entry(0), False),
        (entry(200, "DC"), False),
        (entry(0, "DR"), False),
        (entry(200, trailers="14"), False),
        (entry(200, headers="5"), False),
    ],
)
def test_what_failed_stands_for_itself(
    made: accesslog_pb2.HTTPAccessLogEntry, sampled: bool
) -> None:
    batch = als.LogBatch(message(made), "http")
    assert [read.sampled for read in batch] == [sampled]
    assert batch.sampled() == sampled


def test_a_batch_counts_them_and_bytes_that_are_no_message_have_none() -> None:
    batch = als.LogBatch(message(entry(200), entry(500), entry(201)), "http")
    assert batch.sampled() == 2
    assert als.LogBatch(b"\xff", "http").sampled() == 0
    connection = als_pb2.StreamAccessLogsMessage()
    connection.tcp_logs.log_entry.add()
    assert als.LogBatch(connection.SerializeToString(), "tcp").sampled() == 0
