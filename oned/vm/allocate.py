"""From the template of a user to a VM: what is checked, where each attribute goes, what the engine adds."""

import re
from collections.abc import Callable, Iterable, Mapping

from oned.errors import ActionError, InternalError, NotAuthorized
from oned.numbers import MOST, decimal, mib, whole
from oned.template.template import Template, Value
from oned.vm.targets import Prefixes, assign
from oned.vm.vm import VM

ENGINE = frozenset(
    [
        "NAME",
        "CPU",
        "MEMORY",
        "VCPU",
        "OS",
        "DISK",
        "NIC",
        "FEATURES",
        "INPUT",
        "GRAPHICS",
        "RAW",
        "CONTEXT",
        "EMULATOR",
        "VMGROUP",
        "CPU_MODEL",
        "NUMA_NODE",
        "TOPOLOGY",
        "PCI",
        "SPICE_OPTIONS",
        "HYPERV_OPTIONS",
        "TPM",
        "VIDEO",
        "MEMORY_MAX",
        "VCPU_MAX",
        "MEMORY_SLOTS",
        "MEMORY_RESIZE_MODE",
        "CPU_COST",
        "MEMORY_COST",
        "DISK_COST",
        "TEMPLATE_ID",
        "AUTOMATIC_REQUIREMENTS",
        "AUTOMATIC_DS_REQUIREMENTS",
        "AUTOMATIC_NIC_REQUIREMENTS",
        "SUBMIT_ON_HOLD",
        "EC2",
        "CREDIT",
        "PUBLIC_CLOUD",
        "NIC_DEFAULT",
        "VMID",
        "CLONING_TEMPLATE_ID",
    ]
)
"""Attributes that the engine understands: they go to TEMPLATE, all others to USER_TEMPLATE (4.0 and later)."""
VECTORS = frozenset((
    "CONTEXT", "CPU_MODEL", "DISK", "FEATURES", "GRAPHICS", "NIC", "NIC_ALIAS", "NIC_DEFAULT", "NUMA_NODE", "OS", "PCI",
    "RAW", "TOPOLOGY", "TPM", "VIDEO",
))  # fmt: skip
"""Attributes that are vectors; as single values they would mean nothing."""
SINGLE = frozenset((
    "NAME", "CPU", "MEMORY", "VCPU", "VCPU_MAX", "MEMORY_MAX", "MEMORY_SLOTS", "EMULATOR", "SUBMIT_ON_HOLD",
))  # fmt: skip
"""Attributes that are single values."""
CLASSIC_NAMES = {"REQUIREMENTS": "SCHED_REQUIREMENTS", "RANK": "SCHED_RANK"}
"""Names up to 3.8 → names since 4.0; the old one is dropped where the new one is given."""

_PATH = re.compile(r"[^\s\x00-\x1f\x7f]+")
_WORD = re.compile(r"[A-Za-z0-9_.-]+").fullmatch, "one word of letters, digits and _ . -"
WORDS: Mapping[str, tuple[Callable[[str], object], str]] = {
    "SIZE": (lambda text: mib(text) >= 0, "a whole number of MiB, which a disk can have"),
    "SOURCE": (_PATH.fullmatch, "a path without blanks, which transfer drivers could not be told"),
    "KEYMAP": _WORD,
    **dict.fromkeys(("FORMAT", "TM_MAD", "TARGET", "DEV_PREFIX", "DRIVER", "BUS"), _WORD),
}
"""Attributes that become a word of a script or the name of a device or file: what each may be."""
FILLED_BY: Mapping[str, tuple[str, ...]] = {"NIC": ("NIC_DEFAULT", "NIC_ALIAS")}
"""Vectors whose keys become those of others: what is restricted there is restricted here."""
FREE_BESIDE = frozenset({"CONTEXT", "AR"})
"""Vectors whose other keys mean nothing for what is restricted in them. In all others, such as a DISK with a SOURCE,
they say what is done with it, so that they stay with it."""
_WHOLE = ("VCPU", "VCPU_MAX", "MEMORY_MAX")
NOTHING = Template()
NO_SYSTEMS: set[int] = set()


def check_restricted(
    template: Template, restricted: Iterable[str], uid: int, before: Template = NOTHING, what: str = "VM Template"
) -> None:
    """NotAuthorized if the template sets, changes or drops what only oneadmin's group may set (A or A/B).

    before  the template so far: what stays as it is may stay, a vector that holds such a key as a whole
    what    what it is a template of, in the text
    """
    for path in restricted:
        name, _, key = path.upper().partition("/")
        if _values(template, name, key) != _values(before, name, key):
            reason = f"{what} includes a restricted attribute {key or name}"
            raise NotAuthorized(uid=uid, reason=reason)


def filling(name: str) -> tuple[str, ...]:
    """The name of an attribute, and those of the vectors that fill it."""
    return (name, *FILLED_BY.get(name, ()))


def _values(template: Template, name: str, key: str) -> list[Value]:
    """The values of an attribute; with a key, the vectors that hold it and those that fill them."""
    if not key:
        return [value for found, value in template if found == name]
    holding = (vector for each in filling(name) for vector in template.vectors(each) if key in vector)
    return [vector[key] if name in FREE_BESIDE else vector for vector in holding]


def check_forms(template: Template) -> None:
    """InternalError for a single value where a vector belongs, and the other way round."""
    for name, value in template:
        if name in VECTORS and isinstance(value, str):
            detail = f'Wrong format for {name} attribute. It is {name} = [ NAME = "value", … ]'
            raise InternalError(detail=detail)
        if name in SINGLE and isinstance(value, dict):
            raise InternalError(detail=f'Wrong format for {name} attribute. It is {name} = "value"')


def check_capacity(template: Template) -> None:
    """InternalError unless MEMORY and CPU are positive numbers, and so is VCPU and what may be plugged, if given.

    They lose the blanks around them, so that all who read them later read the same.
    """
    for name in ("MEMORY", "CPU", *_WHOLE):
        if name in template and template.get(name) != template.get(name).strip():
            template.set(name, template.get(name).strip())
    if whole(template.get("MEMORY")) <= 0:
        raise InternalError(detail=f"MEMORY attribute must be a positive integer value.{_limit(template, 'MEMORY')}")
    if decimal(template.get("CPU")) <= 0:
        raise InternalError(detail="CPU attribute must be a positive float or integer value.")
    for name in _WHOLE:
        if name in template and whole(template.get(name)) <= 0:
            raise InternalError(detail=f"{name} attribute must be a positive integer value.{_limit(template, name)}")


def _limit(template: Template, name: str) -> str:
    """A sentence for a number that is one, but too large."""
    digits = template.get(name).lstrip("0")
    return f" It is below {MOST}." if digits.isascii() and digits.isdigit() else ""


def check_maximum(template: Template) -> None:
    """ActionError for more than a VM that runs can be given: its domain was built for VCPU_MAX and MEMORY_MAX."""
    for name in ("VCPU", "MEMORY"):
        most, wanted = template.get(f"{name}_MAX"), template.get(name)
        if 0 < whole(most) < whole(wanted):
            raise ActionError(detail=f"{name} = {wanted} is more than {name}_MAX = {most}. Power the VM off first")


def fill(vm: VM, given: Template, prefixes: Prefixes, systems: set[int] = NO_SYSTEMS) -> None:
    """Put the attributes into the VM's two templates and add what the engine knows.

    systems  the places of disks that are made of OS images
    """
    for name, value in given:
        modern = CLASSIC_NAMES.get(name)
        if modern is not None and modern in given:
            continue
        (vm.template if name in ENGINE else vm.user_template).add(name, value)
    template = vm.template
    for name in ("NAME", "SUBMIT_ON_HOLD", "VMID"):
        template.remove(name)
    template.set("VMID", str(vm.id))
    _number(template, "DISK", "DISK_ID")
    _number(template, "NIC", "NIC_ID")
    for number, nic in enumerate(template.vectors("NIC")):
        nic.setdefault("NAME", f"NIC{number}")
    _place_disks(template, prefixes, systems)
    vm.settle_capacity()
    vm.settle_images()


def _number(template: Template, name: str, key: str) -> None:
    for number, vector in enumerate(template.vectors(name)):
        vector[key] = str(number)


def _place_disks(template: Template, prefixes: Prefixes, systems: set[int]) -> None:
    """Give each disk a device name; the context disk has the number behind the last one."""
    disks, context = template.vectors("DISK"), template.vector("CONTEXT")
    if context:
        context["DISK_ID"] = str(len(disks))
    assign(disks, context, prefixes, systems)


def check_disks(template: Template) -> None:
    """InternalError for a disk of which nothing can be made, or whose words would not stay one word in a script."""
    for number, disk in enumerate(template.vectors("DISK")):
        check_disk(f"DISK {number}", disk)
        kind = disk.get("TYPE", "").upper()
        if "IMAGE" in disk or "IMAGE_ID" in disk:
            continue
        if kind in ("SWAP", "FS"):
            wanted = ("SIZE",) if kind == "SWAP" else ("SIZE", "FORMAT")
            missing = [name for name in wanted if not disk.get(name)]
            if missing:
                raise InternalError(detail=f"DISK {number}: a {kind.lower()} disk needs {' and '.join(missing)}")
        elif not disk.get("SOURCE"):
            detail = f"DISK {number}: IMAGE or SOURCE is missing: a registered image, or a file to copy or link"
            raise InternalError(detail=detail)
    check_words(template)


def check_words(template: Template) -> None:
    """InternalError for words of CONTEXT and GRAPHICS that would not stay one word in a script or a device's name."""
    for name in ("CONTEXT", "GRAPHICS"):
        _check_words(name, template.vector(name))


def check_disk(where: str, disk: Mapping[str, str]) -> None:
    """InternalError for words of one disk that would not stay one word in a script or a device's name."""
    _check_words(where, disk)


def _check_words(where: str, vector: Mapping[str, str]) -> None:
    for name, (form, meaning) in WORDS.items():
        if vector.get(name) and not form(vector[name]):
            raise InternalError(detail=f"{where}: {name} is {meaning}, not {vector[name]!r}")
