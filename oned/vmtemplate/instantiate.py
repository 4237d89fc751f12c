"""From a VM template and what the caller adds to the template of a VM."""

from collections.abc import Iterable

from oned.errors import NotAuthorized
from oned.template.template import Template
from oned.vmtemplate.vmtemplate import VMTemplate


def merged(item: VMTemplate, extra: Template, name: str = "") -> Template:
    """The template of a VM: attributes of `extra` replace all of the same names. TEMPLATE_ID is the template's id."""
    whole = item.template.copy()
    whole.merge(extra)
    whole.set("TEMPLATE_ID", str(item.id))
    if name:
        whole.set("NAME", name)
    return whole


def check_added(item: VMTemplate, extra: Template, restricted: Iterable[str], uid: int) -> None:
    """NotAuthorized if `extra` brings what only oneadmin's group may set (A or A/B).

    An attribute that stands in the template just as it is may be repeated: whoever put it there was allowed to.
    """
    own = list(item.template)
    for path in restricted:
        name, _, key = path.upper().partition("/")
        for attribute in extra:
            if attribute in own or attribute[0] != name:
                continue
            if not key or (isinstance(attribute[1], dict) and key in attribute[1]):
                raise NotAuthorized(uid=uid, reason=f"VM Template includes a restricted attribute {key or name}")
