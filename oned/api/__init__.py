"""The XML-RPC methods: one declaration each, from which dispatch, rights, introspection and help are read."""
