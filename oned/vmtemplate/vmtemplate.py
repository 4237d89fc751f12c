"""The VM template and its document (OpenNebula 6.10)."""

from oned import clock
from oned.document.element import Element, plain
from oned.document.object import Owned, lock_element, owner_elements
from oned.document.permissions import Permissions
from oned.ids import Kind
from oned.template.render import xml as template_xml
from oned.template.template import Template

*_OWNER, _PERMISSIONS = owner_elements()

ELEMENTS = (
    *_OWNER,
    lock_element(),
    _PERMISSIONS,
    plain("REGTIME", "regtime", "time of registration"),
    Element("TEMPLATE", "what VMs are made of", xml=lambda item, _: template_xml(item.template)),
    Element(
        "PUBLIC", "1 if its group or others may use it, as 3.0 had it", classic=True,
        value=lambda item, _: item.is_public,
    ),
)  # fmt: skip


class VMTemplate(Owned):
    """A template that VMs are instantiated from."""

    kind = Kind.TEMPLATE
    ROOT = "VMTEMPLATE"
    ELEMENTS = ELEMENTS
    STORED = (*Owned.STORED, "regtime")

    regtime: int = 0
    template: Template

    def __init__(self, oid: int, name: str, owner: tuple[int, int], octal: int) -> None:
        self.id, self.name = oid, name
        self.uid, self.gid = owner
        self.permissions = Permissions(octal)
        self.regtime = clock.stamp()
        self.template = Template()
