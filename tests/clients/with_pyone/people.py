"""Users, groups, rules and quotas as pyone makes, reads and changes them."""

from tests.clients.with_pyone.client import SMALL, Cloud


def a_user_is_made_changed_and_removed(cloud: Cloud) -> None:
    one = cloud.one
    user = one.user.allocate("ursula", "secret", "", [1])
    info = one.user.info(user)
    assert (info.ID, info.NAME, info.GID, info.GNAME) == (user, "ursula", 1, "users")
    assert (info.GROUPS.ID, info.AUTH_DRIVER, info.ENABLED) == ([1], "core", 1)
    one.user.update(user, {"EMAIL": "u@example.org"}, 1)
    assert one.user.info(user).TEMPLATE["EMAIL"] == "u@example.org"
    one.user.passwd(user, "other")
    cloud.refused("OneAuthenticationException", cloud.as_user("ursula:secret").user.info, -1)
    assert cloud.as_user("ursula:other").user.info(-1).ID == user
    one.user.enable(user, False)
    cloud.refused("OneAuthenticationException", cloud.as_user("ursula:other").user.info, -1)
    one.user.chauth(user, "ssh", "")
    assert one.user.info(user).AUTH_DRIVER == "ssh"
    assert one.user.delete(user) == user
    cloud.refused("OneNoExistsException", one.user.info, user)


def a_name_that_is_taken_is_an_internal_exception(cloud: Cloud) -> None:
    first = cloud.one.user.allocate("twice", "secret", "", [])
    text = cloud.refused("OneInternalException", cloud.one.user.allocate, "twice", "secret", "", [])
    assert "NAME is already taken by USER" in text
    assert f"{first}" in text


def groups_of_a_user_change(cloud: Cloud) -> None:
    one = cloud.one
    user, group = one.user.allocate("georg", "secret", "core", []), one.group.allocate("guests")
    one.user.addgroup(user, group)
    assert sorted(one.user.info(user).GROUPS.ID) == [1, group]
    assert user in one.group.info(group).USERS.ID
    one.user.chgrp(user, group)
    assert (one.user.info(user).GID, one.user.info(user).GNAME) == (group, "guests")
    one.group.addadmin(group, user)
    assert one.group.info(group).ADMINS.ID == [user]
    one.group.deladmin(group, user)
    assert one.group.info(group).ADMINS.ID == []
    one.user.chgrp(user, 1)
    assert one.user.info(user).GROUPS.ID == [1]
    one.user.addgroup(user, group)
    one.user.delgroup(user, group)
    assert one.user.info(user).GROUPS.ID == [1]
    one.group.update(group, 'SUNSTONE = [ DEFAULT_VIEW = "cloud" ]', 1)
    assert one.group.info(group).TEMPLATE["SUNSTONE"]["DEFAULT_VIEW"] == "cloud"
    cloud.refused("OneActionException", one.group.delete, 1)
    assert one.group.delete(group) == group


def the_pools_have_who_there_is(cloud: Cloud) -> None:
    users = {user.NAME: user for user in cloud.one.userpool.info().USER}
    assert (users["oneadmin"].ID, users["oneadmin"].GID) == (0, 0)
    assert users["serveradmin"].ID == 1
    groups = {group.NAME: group.ID for group in cloud.one.grouppool.info().GROUP}
    assert (groups["oneadmin"], groups["users"]) == (0, 1)
    assert cloud.one.group.info(-1).ID == 0


def a_rule_lets_and_lets_no_more(cloud: Cloud) -> None:
    one = cloud.one
    user = one.user.allocate("ruth", "secret", "", [])
    ruth = cloud.as_user("ruth:secret")
    cloud.refused("OneAuthorizationException", ruth.host.info, cloud.host())
    rule = one.acl.addrule(f"{0x100000000 + user:x}", f"{0x2000000000 + 0x400000000:x}", "1")
    if cloud.knows("ACL_POOL"):  # not 5.8
        [found] = [item for item in one.acl.info().ACL if item.ID == rule]
        assert found.STRING.startswith(f"#{user} HOST/* USE")
    assert ruth.host.info(cloud.host()).NAME == "alpha"
    assert one.acl.delrule(rule) == rule
    cloud.refused("OneAuthorizationException", ruth.host.info, cloud.host())


def a_quota_limits_and_is_counted(cloud: Cloud) -> None:
    one = cloud.one
    user = one.user.allocate("quentin", "secret", "", [])
    assert one.user.quota(user, {"TEMPLATE": {"VM": {"VMS": 1, "CPU": -2, "MEMORY": 1024}}}) == user
    quentin = cloud.as_user("quentin:secret")
    vm = quentin.vm.allocate(SMALL, True)
    text = cloud.refused("OneAuthorizationException", quentin.vm.allocate, SMALL, True)
    assert f"user [{user}] limit of 1 reached for VMS quota in VM" in text
    quota = one.user.info(user).VM_QUOTA.VM
    quota = quota[0] if isinstance(quota, list) else quota  # 5.8 has one only
    assert (int(quota.VMS), int(quota.VMS_USED)) == (1, 1)
    assert (float(quota.CPU), float(quota.CPU_USED)) == (-2, 0.01)
    assert (int(quota.MEMORY), int(quota.MEMORY_USED)) == (1024, 1)
    quentin.vm.action("terminate", vm)
    cloud.reaches(vm, "DONE")
    assert quentin.vm.allocate(SMALL, True) > vm


def an_ordinary_user_works_with_what_he_may(cloud: Cloud) -> None:
    one = cloud.one
    for name in ("anna", "otto"):
        one.user.allocate(name, "secret", "", [1])
    anna, otto = cloud.as_user("anna:secret"), cloud.as_user("otto:secret")
    template = anna.template.allocate(f'NAME = "shared"\n{SMALL}')
    cloud.refused("OneAuthorizationException", otto.template.instantiate, template, "x", True, "", False)
    anna.template.chmod(template, -1, -1, -1, 1, -1, -1, -1, -1, -1)
    vm = otto.template.instantiate(template, "of otto", True, "", False)
    assert otto.vm.info(vm).UNAME == "otto"
    cloud.refused("OneAuthorizationException", otto.template.update, template, "NOTE = x", 1)
    assert [item.NAME for item in otto.templatepool.info(-1, -1, -1).VMTEMPLATE] == ["shared"]
    assert otto.templatepool.info(-3, -1, -1).VMTEMPLATE == []
    assert [item.ID for item in otto.vmpool.info(-3, -1, -1, -1).VM] == [vm]
    assert vm not in [item.ID for item in anna.vmpool.info(-2, -1, -1, -1).VM]
    cloud.refused("OneAuthorizationException", otto.vm.allocate, SMALL + 'NIC = [ MAC = "02:00:00:00:00:09" ]', True)
    cloud.refused("OneAuthorizationException", otto.vm.deploy, vm, cloud.host())
    cloud.refused("OneAuthorizationException", otto.vm.chown, vm, 0, 0)


def default_quotas_are_read(cloud: Cloud) -> None:
    assert cloud.one.userquota.info() is not None
    assert cloud.one.groupquota.info() is not None
