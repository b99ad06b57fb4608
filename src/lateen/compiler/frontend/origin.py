"""Metadata of objects that the front end makes of others: where each part was written. Pure."""

from typing import Annotated

from lateen.model.meta import ObjectRef, Source
from lateen.model.schema.marks import doc
from lateen.model.schema.objectmeta import ObjectMeta


class Origin(ObjectMeta, frozen=True, kw_only=True):
    """Metadata of a made object. Nobody wrote it, so that everything said of it names what it was
    made of."""

    whole: Annotated[Source, doc("What it was made of.")] = Source(ObjectRef("", "", ""))
    parts: Annotated[tuple[tuple[str, Source], ...], doc("Of what a path in it was made.")] = ()

    def source(self, path: str) -> Source:
        """Return where the part at a path, or the nearest around it, was written."""
        for prefix, written in self.parts:
            if path == prefix or path.startswith((f"{prefix}.", f"{prefix}[")):
                return written
        return self.whole
