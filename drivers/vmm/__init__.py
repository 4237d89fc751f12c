"""Virtual machine drivers: one program per hypervisor."""
