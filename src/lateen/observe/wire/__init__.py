"""Bytes to what they are: frames, TCP streams, TLS handshakes, HTTP messages.

Pure, and total: any bytes whatever give a value, never an exception.
"""
