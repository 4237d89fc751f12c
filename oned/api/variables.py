"""What the variables in a new VM's CONTEXT and requirements mean."""

import base64
from collections.abc import Iterable, Mapping

from oned.errors import InternalError
from oned.pool.pools import Pools
from oned.template.nic import is_chosen_for
from oned.template.render import xml as template_xml
from oned.template.substitute import SubstitutionError, Variable, substitute
from oned.template.template import Template
from oned.vm.context import FILES_DS, REQUIREMENTS, add_network
from oned.vm.vm import VM


def fill_variables(pools: Pools, vm: VM) -> None:
    """Put values in the place of variables, once, when leases and images are known; add what NETWORK=YES asks for.

    Errors: InternalError, if a value becomes too long. What is no variable was refused before (vm.context).
    """
    context = vm.template.vector("CONTEXT")
    if context:
        fill_context(pools, vm, context)
    for name in REQUIREMENTS:
        if name in vm.user_template:
            vm.user_template.set(name, _filled(name, vm.user_template.get(name), Meaning(pools, vm)))


def fill_context(pools: Pools, vm: VM, names: Iterable[str]) -> None:
    """The same for these variables of CONTEXT."""
    meaning, context = Meaning(pools, vm), vm.template.vector("CONTEXT")
    plain = {name: context[name] for name in names if name != FILES_DS}
    context |= {name: _filled(f"CONTEXT: {name}", text, meaning) for name, text in plain.items()}
    known = (nic for nic in vm.template.vectors("NIC") if not is_chosen_for(nic))
    add_network(context, ((nic, _network_of(pools, nic)) for nic in known))


def add_nic(pools: Pools, vm: VM, nic: dict[str, str]) -> None:
    """Tell the guest of one more NIC, if NETWORK=YES asks for it: at the next boot its context disk is another."""
    context = vm.template.vector("CONTEXT")
    before = dict(context)
    add_network(context, [(nic, _network_of(pools, nic))])
    vm.new_context = vm.new_context or context != before


def _network_of(pools: Pools, nic: Mapping[str, str]) -> dict[str, str]:
    """The attributes of a NIC's network, with those of the address range before them."""
    found = pools.networks.peek(int(nic["NETWORK_ID"])) if nic.get("AR_ID") else None
    if found is None:
        return {}
    attributes = {name: value for name, value in found.template if isinstance(value, str)}
    return attributes | found.ranges[int(nic["AR_ID"])].attributes


def _filled(where: str, text: str, meaning: "Meaning") -> str:
    try:
        return substitute(text, meaning.of)
    except SubstitutionError as error:
        raise InternalError(detail=f"Error parsing {where}: {error}") from error


class Meaning:
    """The text of each variable, for one VM."""

    def __init__(self, pools: Pools, vm: VM) -> None:
        self._pools, self._vm = pools, vm
        self._objects = {"USER": self._of_user, "NETWORK": self._of_network, "IMAGE": self._of_image}
        self._singles = {
            "NAME": lambda: vm.name,
            "UID": lambda: str(vm.uid),
            "GID": lambda: str(vm.gid),
            "UNAME": lambda: pools.view.user_name(vm.uid),
            "GNAME": lambda: pools.view.group_name(vm.gid),
            "TEMPLATE": lambda: _encoded(vm.document(pools.view)),
        }

    def of(self, variable: Variable) -> str:
        """The text of a variable; empty for one that is not known."""
        if not variable.attribute:
            known = self._singles.get(variable.name)
            return known() if known else self._attribute(variable.name)
        known_object = self._objects.get(variable.name)
        return known_object(variable) if known_object else self._of_vector(variable)

    def _attribute(self, name: str) -> str:
        """A single attribute of the template; of the user's part of it where the engine's part has none."""
        return self._vm.template.get(name) or self._vm.user_template.get(name)

    def _of_vector(self, variable: Variable) -> str:
        vectors = self._vm.template.vectors(variable.name) or self._vm.user_template.vectors(variable.name)
        chosen = (vector for vector in vectors if not variable.key or vector.get(variable.key) == variable.value)
        return next(chosen, {}).get(variable.attribute, "")

    def _of_network(self, variable: Variable) -> str:
        """An attribute of the network of the first NIC whose NETWORK or NETWORK_ID is as asked; NAME is of 1.4."""
        key = "NETWORK" if variable.key == "NAME" else variable.key
        for nic in self._vm.template.vectors("NIC"):
            if nic.get("AR_ID") and (not key or nic.get(key) == variable.value):
                network = self._pools.networks.get(int(nic["NETWORK_ID"]))
                return _of_template(network.template, variable.attribute)
        return ""

    def _of_image(self, variable: Variable) -> str:
        """An attribute of the image of the first disk whose IMAGE or IMAGE_ID is as asked."""
        for disk in self._vm.template.vectors("DISK"):
            if "IMAGE_ID" in disk and (not variable.key or disk.get(variable.key) == variable.value):
                image = self._pools.images.get(int(disk["IMAGE_ID"]))
                return _of_template(image.template, variable.attribute)
        return ""

    def _of_user(self, variable: Variable) -> str:
        user = self._pools.users.peek(self._vm.uid)
        return _of_template(user.template, variable.attribute) if user else ""


def _of_template(template: Template, attribute: str) -> str:
    """An attribute of an object's template, or all of it."""
    return _encoded(template_xml(template)) if attribute == "TEMPLATE" else template.get(attribute)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
