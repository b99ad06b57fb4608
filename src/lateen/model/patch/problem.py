"""What every patch refuses with. Pure."""


class PatchError(ValueError):
    """The patch cannot be applied.

    `malformed` tells a patch that is wrong by itself (the API server answers 400) from one that
    does not fit the object it is for (422).
    """

    def __init__(self, message: str, *, malformed: bool = True) -> None:
        super().__init__(message)
        self.malformed = malformed


class PatchTooLargeError(PatchError):
    """The patch makes more of the object than anybody stores (413)."""
