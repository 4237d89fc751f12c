"""one.system.*: the engine itself."""

from oned.api.call import Call, Document
from oned.api.registry import method


@method("one.system.version", reads=True)
def version(call: Call) -> str:
    """The release whose behaviour clients may expect (VERSION_STRING in oned.conf). Since: 3.8."""
    return str(call.services.setting("VERSION_STRING"))


@method("one.system.config", reads=True)
def config(call: Call) -> Document:
    """The configuration in force: OPENNEBULA_CONFIGURATION.

    Only oneadmin's group sees what may hold secrets: ARGUMENTS and COMMAND of hooks and drivers, passwords.
    Since: 4.0.
    """
    return Document(call.services.config_xml if call.user.is_admin else call.services.public_config_xml)
