"""What a VM is told of its machine and its guest, and what of that may be changed while it lives."""

from oned.errors import InternalError
from oned.template.template import Template

SECTIONS = ("OS", "FEATURES", "INPUT", "GRAPHICS", "VIDEO", "RAW", "CPU_MODEL", "CONTEXT")
"""Vectors of the template that say how a machine is built and what its guest is told."""
PLACES = ("DISK_ID", "TARGET")
"""Keys of CONTEXT that say where its disk is."""


def sections(given: Template) -> Template:
    """The configuration in a template; an empty vector where one is to go. Other attributes are no part of it.

    Errors: INTERNAL, for a section that is no vector, a second CONTEXT, or a template with other attributes only.
    """
    found = Template()
    for name in SECTIONS:
        values = [value for key, value in given if key == name]
        if any(isinstance(value, str) and value for value in values):
            raise InternalError(detail=f'{name} is a vector: {name} = [ NAME = "value", … ], or {name} = [ ] for none')
        for vector in values:
            found.add(name, dict(vector) if isinstance(vector, dict) else {})
    if len(found.vectors("CONTEXT")) > 1:
        raise InternalError(detail="Only one CONTEXT attribute can be defined. Put its variables into one")
    if len(given) and not len(found):
        others = ", ".join(sorted({name for name, _ in given}))
        detail = f"{others}: that is no configuration, which is {', '.join(SECTIONS)}. For the rest there are"
        raise InternalError(detail=f"{detail} one.vm.resize (capacity) and one.vm.update (the user's template)")
    return found


def configured(before: Template, given: Template, *, append: bool) -> Template:
    """The template with other sections, as the user wrote them; CONTEXT stays if it is not given.

    append  keys are merged into sections that are there once; else sections are replaced, and dropped if not given
    """
    changed = before.copy()
    for name in SECTIONS:
        old, new = before.vectors(name), given.vectors(name)
        if not new and (append or name == "CONTEXT"):
            continue
        if append and len(old) == len(new) == 1 and new[0]:
            new = [old[0] | new[0]]
        if name == "CONTEXT" and new[0]:
            kept = {key: old[0][key] for key in PLACES if old and key in old[0]}
            new = [kept | {key: value for key, value in new[0].items() if key != "DISK_ID"}]
        changed.remove(name)
        for vector in filter(None, new):
            changed.add(name, dict(vector))
    return changed
