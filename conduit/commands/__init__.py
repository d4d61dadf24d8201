"""The commands of ``conduit``, one group a module. Each module is cheap to import; its work is not."""
