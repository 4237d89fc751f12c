"""What programs do most: they take a template out of a document, change it, and give it back.

Not compared is what pyone itself does not give back: 5.8 writes lists as <item>, 7.3 writes None for an empty value.
"""

from collections.abc import Callable
from typing import Any

from tests.clients.with_pyone.client import SMALL, Cloud


def _changed(read: Callable[[], Any], update: Callable[[Any, int], object]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The template before and after it was given back with one attribute more, and then once more as it is."""
    given = read()
    before = _filled(given)
    given["ADDED"] = 'a "quote", <b> & ü'
    update(given, 0)
    after = read()
    assert after.pop("ADDED") == 'a "quote", <b> & ü'
    update(read(), 0)
    assert _filled(read()) == _filled(after) | {"ADDED": 'a "quote", <b> & ü'}
    return before, _filled(after)


def _filled(template: Any) -> dict[str, Any]:
    return {name: value for name, value in template.items() if value not in (None, "", "None")}


def the_user_template_of_a_vm_goes_back(cloud: Cloud) -> None:
    vm = cloud.new_vm('LABELS = "a,b"\nPOINT = [ X = "1", Y = "2" ]\n')
    before, after = _changed(
        lambda: cloud.one.vm.info(vm).USER_TEMPLATE, lambda given, how: cloud.one.vm.update(vm, given, how)
    )
    assert before == after


def a_vm_template_goes_back(cloud: Cloud) -> None:
    nested = 'GRAPHICS = [ TYPE = "VNC", LISTEN = "0.0.0.0" ]\nDISK = [ SOURCE = "/a" ]\n'
    template = cloud.one.template.allocate(f'NAME = "goes back"\n{SMALL}{nested}')
    before, after = _changed(
        lambda: cloud.one.template.info(template).TEMPLATE,
        lambda given, how: cloud.one.template.update(template, given, how),
    )
    assert before == after


def the_template_of_a_network_goes_back(cloud: Cloud) -> None:
    network = cloud.one.vn.allocate('NAME = "goes back"\nVN_MAD = "dummy"\nBRIDGE = "br0"\nDNS = "10.0.0.1"\n', -1)
    before, after = _changed(
        lambda: cloud.one.vn.info(network).TEMPLATE, lambda given, how: cloud.one.vn.update(network, given, how)
    )
    assert before == after


def the_template_of_an_image_goes_back(cloud: Cloud) -> None:
    image = cloud.one.image.allocate('NAME = "goes back"\nTYPE = "DATABLOCK"\nSIZE = 1\nDEV_PREFIX = "vd"\n', 1)
    before, after = _changed(
        lambda: cloud.one.image.info(image).TEMPLATE, lambda given, how: cloud.one.image.update(image, given, how)
    )
    assert before == after


def the_template_of_a_user_goes_back(cloud: Cloud) -> None:
    user = cloud.one.user.allocate("rita", "secret", "", [])
    cloud.one.user.update(user, 'EMAIL = "r@example.org"\nSSH_PUBLIC_KEY = "ssh-rsa AAAA r@h"\n', 0)
    before, after = _changed(
        lambda: cloud.one.user.info(user).TEMPLATE, lambda given, how: cloud.one.user.update(user, given, how)
    )
    assert before == after


def the_templates_of_places_go_back(cloud: Cloud) -> None:
    one = cloud.one
    cluster, datastore = one.cluster.allocate("goes back"), 1
    for pool, oid in ((one.cluster, cluster), (one.datastore, datastore), (one.group, one.group.allocate("back"))):
        pool.update(oid, 'NOTE = "x"\n', 1)
        before, after = _changed(
            lambda pool=pool, oid=oid: pool.info(oid).TEMPLATE,
            lambda given, how, pool=pool, oid=oid: pool.update(oid, given, how),
        )
        assert before == after


def the_template_of_a_host_goes_back(cloud: Cloud) -> None:
    host = cloud.one.host.allocate("goes back", "dummy", "dummy", 0)
    cloud.one.host.update(host, 'RACK = "7"\n', 1)
    _, after = _changed(
        lambda: cloud.one.host.info(host).TEMPLATE, lambda given, how: cloud.one.host.update(host, given, how)
    )
    assert after["RACK"] == "7"
    cloud.one.host.delete(host)
