"""The deployment file of drivers that read the template themselves (TYPE "xml": simulated hosts, EC2)."""

from oned.template import render
from oned.template.template import Template


def document(template: Template) -> str:
    """The template as XML, with the root TEMPLATE."""
    return render.xml(template)
