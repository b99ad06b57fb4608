"""Settings, wiring and the pipeline: the only room that knows all the others.

Modules the CLI imports (`paths`, `settings`, `lab`) stay light: no grpc, protobuf or cryptography.
"""
