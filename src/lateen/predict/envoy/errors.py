"""What the interpreter cannot say. Pure."""


class UnknownError(Exception):
    """The configuration holds something whose effect is not known. The message completes the
    sentence `unknown: …`."""
