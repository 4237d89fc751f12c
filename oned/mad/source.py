"""What drivers are handed: documents, deployment files and transfer scripts, made when the line is about to leave."""

import logging
from pathlib import Path

from oned.command import Command, Mad
from oned.ids import Kind
from oned.mad.set import DriverSet
from oned.pool.pools import Pools
from oned.template import shell
from oned.template.parse import TemplateError, parse
from oned.template.template import Template
from oned.vm.deployment import xml
from oned.vm.deployment.facts import Facts
from oned.vm.deployment.writers import WRITERS, hypervisor_of
from oned.vm.document import full_document
from oned.vm.machine import Site, directory
from oned.vm.snapshots import content
from oned.vm.transfer import Script
from oned.vm.vm import VM

log = logging.getLogger(__name__)


class DriverSource:
    """The core's side of oned.mad.contract.Source.

    etc            directory of the DEFAULT files
    vnc_base_port  first port of consoles
    """

    def __init__(self, pools: Pools, site: Site, etc: Path, vnc_base_port: int) -> None:
        self._pools, self._site, self._etc, self._vnc = pools, site, etc, vnc_base_port
        self.drivers: DriverSet

    def document(self, kind: Kind, oid: int) -> str:
        if kind is Kind.VM:
            return full_document(self._pools.vms.get(oid), self._pools.view)
        document: str = self._pools.of(kind).get(oid).document(self._pools.view)
        return document

    def files(self, command: Command) -> dict[str, str]:
        local = command.arguments.get("local_file")
        if local is None:
            return {}
        vm = self._pools.vms.get(command.oid)
        if command.mad is Mad.VMM:
            return {local: self._deployment(command, vm)}
        phase = command.arguments["phase"]
        files = {local: Script(vm, self._site, classic=self._speaks_classic(command)).text(phase)}
        if (phase == "prolog" or vm.new_context) and vm.template.vector("CONTEXT"):
            files[f"{self._site.vms}/{vm.id}/context.sh"] = shell.assignments(vm.template.vector("CONTEXT"))
        return files

    def _deployment(self, command: Command, vm: VM) -> str:
        driver = self.drivers.find(Mad.VMM, command.driver)
        section = driver.section if driver else None
        write = WRITERS.get(section.type) if section is not None else None
        if section is None or write is None:
            return xml.document(vm.template)
        place = directory(vm, vm.record)
        hypervisor = hypervisor_of(section.arguments or "")
        facts = Facts(
            vid=vm.id,
            hypervisor=hypervisor,
            directory=place,
            defaults=self._defaults(section.default),
            vnc_base_port=self._vnc,
            console_log=f"{place}/console.log",
            tm_mad=vm.record.tm_mad,
            vn_mad=vm.record.vn_mad,
            contents={tree.disk: content(vm.trees, tree.disk) for tree in vm.trees},
        )
        return write(vm.template, facts)

    def _defaults(self, name: str) -> Template:
        """The DEFAULT file of a driver; one that cannot be read is logged and counts as empty."""
        if not name:
            return Template()
        path = self._etc / name
        try:
            return parse(path.read_text())
        except (OSError, TemplateError) as error:
            log.error("The defaults in %s are ignored: %s", path, error)
            return Template()

    def _speaks_classic(self, command: Command) -> bool:
        driver = self.drivers.find(command.mad, command.driver)
        return driver is not None and driver.dialect == "classic"
