"""The settings that hold while the service runs. Policies and how often it looks are read anew, places are not."""

import logging
from pathlib import Path

from oned import clock
from oned.elastic.accounts import ACCOUNT_SETTINGS
from oned.elastic.network_settings import NETWORK_SETTINGS, read_network
from oned.elastic.policy import Policies
from oned.elastic.service import SERVICE_SETTINGS, Service, read_service
from oned.elastic.settings import ElasticConfig, read
from oned.elastic.sge.place import SGE_SETTINGS
from oned.setting import VECTOR, ConfigError, Setting

log = logging.getLogger(__name__)
AT_ONCE = frozenset(("INTERVAL", "JOB_ENDED_COMMAND", "LOG"))
"""Settings of the service that are taken while it runs."""
_AT_START = tuple(
    setting
    for setting in (*SERVICE_SETTINGS, *NETWORK_SETTINGS, *ACCOUNT_SETTINGS, *SGE_SETTINGS)
    if setting.name not in AT_ONCE
)


class InForce:
    """Policies and settings that hold.

    since  when they were read
    """

    def __init__(self, config: ElasticConfig) -> None:
        """Raises ConfigError."""
        self.config = config
        self.service: Service = read_service(config)
        self.policies: Policies = read(config)
        self.since = clock.now()

    def __call__(self) -> Policies:
        """The policies of now."""
        return self.policies

    def reread(self, file: Path) -> bool:
        """Take what the file says now; whether it could be. Else what held before goes on, and the log says why."""
        try:
            fresh = _usable(file)
        except ConfigError as error:
            log.error("The settings are not read anew, those of before hold: %s", error)
            return False
        waiting = [one.name for one in _AT_START if _value(self.config, one) != _value(fresh.config, one)]
        self.config, self.service, self.policies, self.since = fresh.config, fresh.service, fresh.policies, fresh.since
        log.info("The settings of %s are read anew", file)
        if waiting:
            log.warning("%s: taken at the next start only", ", ".join(waiting))
        for warning in fresh.config.warnings:
            log.warning("%s", warning)
        return True


def _usable(file: Path) -> InForce:
    """The settings of a file that is there, and with which the service could start. ConfigError."""
    if not file.is_file():
        raise ConfigError(f"There is no {file}")
    fresh = InForce(ElasticConfig.load(file))
    read_network(fresh.config, file.parent)
    return fresh


def _value(config: ElasticConfig, setting: Setting) -> object:
    return config.vectors(setting.name) if setting.type is VECTOR else config[setting.name]
