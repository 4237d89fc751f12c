"""AUTOMATIC_REQUIREMENTS: where a VM can run, as the clusters of what it uses say (OpenNebula 4.0 and later).

AUTOMATIC_DS_REQUIREMENTS says the same to those who choose its system datastore (4.4 and later),
AUTOMATIC_NIC_REQUIREMENTS to those who choose networks for its NICs (5.8 and later).
"""

from collections.abc import Collection, Iterable

from oned.errors import InternalError
from oned.template.template import Template

NAME, OF_STORE, OF_NIC = "AUTOMATIC_REQUIREMENTS", "AUTOMATIC_DS_REQUIREMENTS", "AUTOMATIC_NIC_REQUIREMENTS"
FORMS = {NAME: "CLUSTER_ID = {}", OF_STORE: '"CLUSTERS/ID" @> {}', OF_NIC: '"CLUSTERS/ID" @> {}'}
"""How each says that something is in a cluster: a host is in one, a datastore or a network in several."""
Source = tuple[str, Collection[int]]
"""What the VM uses ("NIC 0, network 3") and the clusters where that is; none is everywhere."""


def set_automatic(template: Template, sources: Iterable[Source]) -> None:
    """Let the template require a host, a datastore and networks of a cluster in which all is that the VM uses.

    InternalError if there is none. What a user gave under that name does not count.
    """
    for name in FORMS:
        template.remove(name)
    common: set[int] | None = None
    seen: list[Source] = []
    for name, clusters in sources:
        if not clusters:
            continue
        seen.append((name, clusters))
        common = set(clusters) if common is None else common & set(clusters)
        if not common:
            raise InternalError(detail=f"Incompatible clusters: {_listed(seen)}. No host could have all of it")
    names = [name for name in FORMS if name != OF_NIC or template.vectors("NIC")]
    for name in names if common else ():
        form = FORMS[name]
        template.set(name, f"({' | '.join(form.format(number) for number in sorted(common or ()))})")


def _listed(sources: Iterable[Source]) -> str:
    return "; ".join(f"{name} is in {', '.join(map(str, sorted(clusters)))}" for name, clusters in sources)
