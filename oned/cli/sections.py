"""Parts of `show` that several objects have."""

from typing import TYPE_CHECKING

from oned.cli.output import facts, heading, say
from oned.client.documents import Document

if TYPE_CHECKING:
    from oned.template.template import Template

_BITS = "UMA"


def permissions(document: Document) -> None:
    """The section of the nine bits: `um-` for owner, group and others."""
    bits = document.first("PERMISSIONS")
    if bits is None:
        return
    facts(
        "PERMISSIONS",
        [
            (who, "".join(bit.lower() if bits.int(f"{who}_{bit}") else "-" for bit in _BITS))
            for who in ("OWNER", "GROUP", "OTHER")
        ],
    )


def template(title: str, element: Document | None) -> None:
    """A section with a template as text; nothing for an empty one."""
    text = template_text(element)
    if text:
        heading(title)
        say(text)


def template_text(element: Document | None) -> str:
    """A TEMPLATE element in the text form that can be edited and read back."""
    from oned.template import render

    return render.text(as_template(element))


def as_template(element: Document | None) -> "Template":
    """The attributes of a TEMPLATE element."""
    from oned.template.template import Template

    result = Template()
    for child in element or ():
        value = {key.name: key.content for key in child} if child.children else child.content
        result.add(child.name, value)
    return result


def lock(document: Document) -> str:
    """What an object is locked against."""
    levels = {0: "None", 1: "Use", 2: "Manage", 3: "Admin"}
    return levels.get(document.int("LOCK/LOCKED"), document.text("LOCK/LOCKED"))
