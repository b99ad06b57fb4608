"""JUnit's XML, as far as findings and cases share it. Pure."""

from xml.etree import ElementTree


def printable(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return "".join(char for char in text if char in "\t\n" or char >= " ")


def file_text(suite: ElementTree.Element) -> str:
    """Return a suite as a file's text."""
    body = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'
