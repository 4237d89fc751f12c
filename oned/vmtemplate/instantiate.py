"""From a VM template and what the caller adds to the template of a VM."""

from collections.abc import Iterable

from oned.errors import NotAuthorized
from oned.template.inputs import answers
from oned.template.template import Template
from oned.vm.allocate import filling
from oned.vmtemplate.vmtemplate import VMTemplate


def merged(item: VMTemplate, extra: Template, name: str = "") -> Template:
    """The template of a VM: attributes of `extra` replace all of the same names. TEMPLATE_ID is the template's id.

    Raises InputError for what the template asks for and `extra` does not answer as it must.
    """
    whole = item.template.copy()
    whole.merge(extra)
    for asked, value in answers(item.template, extra).items():
        whole.set(asked, value)
    whole.set("TEMPLATE_ID", str(item.id))
    if name:
        whole.set("NAME", name)
    return whole


def check_added(item: VMTemplate, extra: Template, restricted: Iterable[str], uid: int) -> None:
    """NotAuthorized if `extra` brings what only oneadmin's group may set (A or A/B).

    An attribute that stands in the template just as it is may be repeated: whoever put it there was allowed to. Of
    CONTEXT, of which there is one, what stands there may be repeated beside other variables.
    """
    own, context = list(item.template), item.template.vector("CONTEXT")
    for path in restricted:
        name, _, key = path.upper().partition("/")
        for attribute in extra:
            if attribute in own or attribute[0] not in filling(name):
                continue
            value = attribute[1].get(key) if isinstance(attribute[1], dict) else None
            repeats = name == "CONTEXT" and value == context.get(key)
            if not key or (value is not None and not repeats):
                raise NotAuthorized(uid=uid, reason=f"VM Template includes a restricted attribute {key or name}")
