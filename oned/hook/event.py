"""What happened to which object, as the variables of ARGUMENTS ask for it."""

import base64
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from oned.document.object import PoolObject, View
from oned.hook.arguments import Variable
from oned.ids import Kind
from oned.template.template import Template
from oned.vm.document import full_document
from oned.vm.states import ACTIVE, BY_NAME
from oned.vm.vm import VM

IDS = ("ID", "VMID", "HID")


@dataclass
class Event:
    """An object that was made, has changed or is gone. The document is that of the moment when this is asked first.

    old      the name of the state before, "" for none
    context  (VM, name) → the value in that VM's CONTEXT, "" if there is none
    """

    item: PoolObject
    old: str
    view: View
    context: Callable[[int, str], str]

    @cached_property
    def document(self) -> str:
        """The object's XML, as its info method answers it."""
        return full_document(self.item, self.view) if isinstance(self.item, VM) else self.item.document(self.view)

    def value(self, variable: Variable) -> str:
        """What stands in the place of a variable; nothing for what is not there."""
        if variable.vm >= 0:
            return self.context(variable.vm, variable.name)
        if variable.key:
            vectors = [vector for template in self._templates for vector in template.vectors(variable.name)]
            return _of_vectors(vectors, variable)
        if variable.name in IDS:
            return str(self.item.id)
        if variable.name in ("PREV_STATE", "PREV_LCM_STATE"):
            return self._previous(lcm=variable.name == "PREV_LCM_STATE")
        if variable.name == "TEMPLATE":
            return base64.b64encode(self.document.encode()).decode()
        return self.item.name if variable.name == "NAME" else self._attribute(variable.name)

    def _attribute(self, name: str) -> str:
        """A single attribute of the template; of a VM also one that only its owner knows the meaning of."""
        return next((template.get(name) for template in self._templates if name in template), "")

    @property
    def _templates(self) -> list[Template]:
        found = (getattr(self.item, name, None) for name in ("template", "user_template"))
        return [template for template in found if isinstance(template, Template)]

    def _previous(self, *, lcm: bool) -> str:
        """The state before, as STATE and LCM_STATE of a CUSTOM hook are written."""
        if self.item.kind is not Kind.VM:
            return "" if lcm else self.old
        if not self.old:
            return "LCM_INIT" if lcm else "INIT"
        active = BY_NAME[self.old].number == ACTIVE
        if lcm:
            return self.old if active else "LCM_INIT"
        return "ACTIVE" if active else self.old


def _of_vectors(vectors: list[dict[str, str]], variable: Variable) -> str:
    """The value of the first vector, or of the first that has what the condition wants."""
    for vector in vectors:
        if not variable.test or vector.get(variable.test, "") == variable.wanted:
            return vector.get(variable.key, "")
    return ""
