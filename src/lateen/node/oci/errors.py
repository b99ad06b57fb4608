"""What goes wrong with an image. Pure."""

BAD_IMAGE = "ErrImagePull"


class ImageError(Exception):
    """An image cannot be had; the text says why, in the registry's words where it has any.

    `reason` is the kubelet's word for it.
    """

    def __init__(self, message: str, *, reason: str = BAD_IMAGE) -> None:
        super().__init__(message)
        self.reason = reason
