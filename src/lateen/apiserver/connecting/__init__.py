"""Streams to pods: exec, attach, logs, port-forward, proxy."""
