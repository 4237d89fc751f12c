"""Light views of the XML documents that the daemon answers."""

from collections.abc import Iterator
from xml.parsers import expat

from oned.client.failures import Unreachable

Plain = str | dict[str, "Plain"] | list["Plain"]


class Document:
    """An element: its name, its own text, its children. Paths go down by names: "HISTORY_RECORDS/HISTORY/HID"."""

    __slots__ = ("children", "content", "name")

    def __init__(self, name: str, content: str = "") -> None:
        self.name = name
        self.content = content
        self.children: list[Document] = []

    def all(self, path: str) -> list["Document"]:
        """Every element at the path, in the order of the document."""
        found = [self]
        for name in path.split("/"):
            found = [child for parent in found for child in parent.children if child.name == name]
        return found

    def first(self, path: str) -> "Document | None":
        """The first element at the path."""
        return next(iter(self.all(path)), None)

    def last(self, path: str) -> "Document | None":
        """The last element at the path: of HISTORY the current record."""
        return next(iter(self.all(path)[-1:]), None)

    def text(self, path: str, default: str = "") -> str:
        """The text of the first element at the path."""
        found = self.first(path)
        return default if found is None else found.content

    def int(self, path: str, default: int = 0) -> int:
        """The whole number at the path, cut; the default when it is missing or not a number."""
        return int(self.float(path, default))

    def float(self, path: str, default: float = 0.0) -> float:
        """The number at the path; the default when it is missing or not a number."""
        try:
            return float(self.text(path))
        except ValueError:
            return default

    def to_dict(self) -> dict[str, Plain]:
        """The document for JSON or YAML: text, objects, lists of what is repeated; an empty element is {}."""
        return {self.name: self._plain()}

    def _plain(self) -> Plain:
        if not self.children:
            return self.content or {}
        collected: dict[str, list[Plain]] = {}
        for child in self.children:
            collected.setdefault(child.name, []).append(child._plain())
        return {name: values[0] if len(values) == 1 else values for name, values in collected.items()}

    def __iter__(self) -> Iterator["Document"]:
        return iter(self.children)

    def __bool__(self) -> bool:
        return True


def parse(text: str) -> Document:
    """The root of a document. Raises Unreachable when it is not XML, for then the answer is not a daemon's."""
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    top = Document("")
    open_elements = [top]

    def start(name: str, _attributes: dict[str, str]) -> None:
        element = Document(name)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(_name: str) -> None:
        element = open_elements.pop()
        if element.children:
            element.content = element.content.strip()

    def characters(piece: str) -> None:
        open_elements[-1].content += piece

    def doctype(*_declaration: object) -> None:
        raise Unreachable("the document has a DOCTYPE, which no answer of oned has")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    parser.StartDoctypeDeclHandler = doctype
    try:
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise Unreachable(f"the answer is not a document: {error}") from None
    return top.children[0]
