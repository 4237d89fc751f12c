"""Domains of every kind against libvirt's own schema of them, where it is installed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import etree

from oned.template.parse import parse
from oned.template.template import Template
from oned.vm.deployment import kvm, xen
from oned.vm.deployment.facts import Facts
from tests.needs import need
from tests.unit import test_deployment_tuning, test_deployment_xen

SCHEMA = Path("/usr/share/libvirt/schemas/domain.rng")
KVM = [template for template, _, _ in test_deployment_tuning.GOLDEN]
XEN = list(test_deployment_xen.TEMPLATES.values())


@pytest.fixture(scope="module")
def schema() -> etree.RelaxNG:
    need(SCHEMA.exists(), "libvirt's schemas are not installed")
    return etree.RelaxNG(etree.parse(str(SCHEMA)))


def complaints(schema: etree.RelaxNG, write: Callable[[Template, Facts], str], template: str) -> str:
    facts = Facts(7, "kvm", "/ds/0/7", parse(""), console_log="/ds/0/7/console.log")
    text = write(parse(f"CPU=1 MEMORY=64\n{template}"), facts)
    return "" if schema.validate(etree.fromstring(text)) else f"{schema.error_log}\n{text}"


@pytest.mark.parametrize("template", KVM, ids=lambda value: value[:40])
def test_a_domain_of_kvm_is_one_to_libvirt(schema: etree.RelaxNG, template: str) -> None:
    assert complaints(schema, kvm.domain, template) == ""


@pytest.mark.parametrize("template", XEN, ids=list(test_deployment_xen.TEMPLATES))
def test_a_domain_of_xen_is_one_to_libvirt(schema: etree.RelaxNG, template: str) -> None:
    assert complaints(schema, xen.domain, template) == ""


def test_what_is_no_domain_is_none_to_libvirt_either(schema: etree.RelaxNG) -> None:
    assert "nonsense" in complaints(schema, kvm.domain, 'RAW=[TYPE=kvm, DATA="<nonsense/>"]')
