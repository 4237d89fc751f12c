"""What is given for a domain: the template's values, and where that has none those of the driver's DEFAULT file."""

from oned.template.template import Template
from oned.vm.deployment.facts import Facts


def single(name: str, template: Template, facts: Facts) -> str:
    """A single value; "" if none is given."""
    return template.get(name) or facts.defaults.get(name)


def vector(name: str, template: Template, facts: Facts) -> dict[str, str]:
    """The template's vector over that of the DEFAULT file, key by key."""
    given = {key: value for key, value in template.vector(name).items() if value}
    return {**facts.defaults.vector(name), **given}


def says_yes(value: str) -> bool:
    """Whether a switch is on."""
    return value.upper() in ("YES", "TRUE", "1")


def raw(template: Template, facts: Facts, *kinds: str) -> str:
    """What is added in the hypervisor's own words: RAW of one of the types."""
    given = [*facts.defaults.vectors("RAW"), *template.vectors("RAW")]
    return "".join(one.get("DATA", "") for one in given if one.get("TYPE", "").lower() in kinds)


def command_line(os: dict[str, str]) -> str:
    """What the kernel is told."""
    root = f"root=/dev/{os['ROOT']} " if os.get("ROOT") else ""
    return (root + os.get("KERNEL_CMD", "")).strip()
