"""Files of datastores that a new VM names: `$FILE[IMAGE="name"]` in CONTEXT/FILES_DS, OS/KERNEL_DS and OS/INITRD_DS."""

from oned.api import disks
from oned.api.call import Call
from oned.template.template import Template
from oned.vm.allocate import NOTHING
from oned.vm.context import FILE_ATTRIBUTES, FILES_DS, file_word, named_files


def fill_files(call: Call, template: Template, before: Template = NOTHING) -> None:
    """Put the paths of files in the place of their names.

    before  the template so far: what is named as it was keeps its path
    Errors: InternalError, NotAuthorized (USE on the image).
    """
    context, system = template.vector("CONTEXT"), template.vector("OS")
    if FILES_DS in context and context[FILES_DS] != before.vector("CONTEXT").get(FILES_DS):
        where = f"CONTEXT: {FILES_DS}"
        found = [_named(call, wanted, where) for wanted in named_files(where, context[FILES_DS])]
        context[FILES_DS] = " ".join(file_word(path, name) for path, name in found)
    for attribute, path_of in FILE_ATTRIBUTES.items():
        there = before.vector("OS")
        if attribute in system and system[attribute] == there.get(attribute):
            system[path_of] = there.get(path_of, "")
        elif attribute in system:
            where = f"OS: {attribute}"
            paths = [_named(call, wanted, where)[0] for wanted in named_files(where, system[attribute])]
            system[path_of] = "".join(paths[:1])


def _named(call: Call, wanted: dict[str, str], where: str) -> tuple[str, str]:
    """Path and name of a file."""
    return disks.file_path(call, wanted, where), disks.named(call, wanted, where).name
