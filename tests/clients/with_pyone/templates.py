"""VM templates as pyone makes, reads, changes and instantiates them."""

from tests.clients.with_pyone.client import SMALL, Cloud


def a_template_is_made_read_changed_and_removed(cloud: Cloud) -> None:
    one = cloud.one
    template = one.template.allocate({"NAME": "made", "CPU": 0.01, "MEMORY": 1})
    info = one.template.info(template, False)
    assert (info.ID, info.NAME, info.UNAME, info.REGTIME > 0) == (template, "made", "oneadmin", True)
    assert (info.TEMPLATE["CPU"], info.LOCK) == ("0.01", None)
    one.template.update(template, {"TEMPLATE": {"NIC_DEFAULT": {"MODEL": "virtio"}}}, 1)
    info = one.template.info(template)
    assert (info.TEMPLATE["NIC_DEFAULT"]["MODEL"], info.TEMPLATE["MEMORY"]) == ("virtio", "1")
    one.template.rename(template, "renamed")
    one.template.chmod(template, -1, -1, -1, 1, -1, -1, -1, -1, -1, False)
    one.template.chown(template, -1, 1)
    info = one.template.info(template)
    assert (info.NAME, info.GID, info.PERMISSIONS.GROUP_U) == ("renamed", 1, 1)
    assert one.template.delete(template, False) == template
    cloud.refused("OneNoExistsException", one.template.info, template)


def an_update_with_the_same_text_changes_nothing(cloud: Cloud) -> None:
    one = cloud.one
    text = 'CPU = "0.01"\nMEMORY = "1"\nGRAPHICS = [ TYPE = "VNC", LISTEN = "0.0.0.0" ]\nLABELS = "a,b"\n'
    template = one.template.allocate('NAME = "same"\n' + text)
    before = dict(one.template.info(template).TEMPLATE)
    for append in (1, 0):
        one.template.update(template, text, append)
        assert dict(one.template.info(template).TEMPLATE) == before


def vms_are_instantiated_with_an_extra_template(cloud: Cloud) -> None:
    one = cloud.one
    template = one.template.allocate(f'NAME = "base"\n{SMALL}VCPU = 2\nROLE = "plain"\n')
    vm = one.template.instantiate(template, "extra", True, {"MEMORY": 2, "ROLE": "front"}, False)
    info = one.vm.info(vm)
    assert (info.NAME, info.STATE) == ("extra", cloud.pyone.VM_STATE.HOLD)
    assert (info.TEMPLATE["MEMORY"], info.TEMPLATE["CPU"], info.TEMPLATE["VCPU"]) == ("2", "0.01", "2")
    assert (info.TEMPLATE["TEMPLATE_ID"], info.USER_TEMPLATE["ROLE"]) == (str(template), "front")
    named = one.vm.info(one.template.instantiate(template, "", True, "", False))
    assert named.NAME == f"base-{named.ID}"


def a_template_is_cloned_and_its_name_is_unique(cloud: Cloud) -> None:
    one = cloud.one
    template = one.template.allocate(f'NAME = "origin"\n{SMALL}')
    clone = one.template.clone(template, "copy", False)
    assert dict(one.template.info(clone).TEMPLATE) == dict(one.template.info(template).TEMPLATE)
    text = cloud.refused("OneInternalException", one.template.allocate, f'NAME = "origin"\n{SMALL}')
    assert "NAME is already taken by" in text
    cloud.refused("OneActionException", one.template.rename, clone, "origin")


def templates_are_listed_with_every_list_of_arguments(cloud: Cloud) -> None:
    one = cloud.one
    template = one.template.allocate(f'NAME = "listed"\n{SMALL}')
    for arguments in ((), (-2, -1, -1), (-2, -1, -1, -1), (-3, template, template)):
        found = {item.NAME: item.ID for item in one.templatepool.info(*arguments).VMTEMPLATE}
        assert found["listed"] == template, arguments


def a_locked_template_is_read_with_its_lock(cloud: Cloud) -> None:
    one = cloud.one
    template = one.template.allocate(f'NAME = "locked"\n{SMALL}')
    one.template.lock(template, 2, False)
    assert one.template.info(template).LOCK.LOCKED == 2
    cloud.refused("OneAuthorizationException", one.template.delete, template)
    one.template.unlock(template)
    assert one.template.delete(template) == template
