"""What can go wrong while the program is set up and started; each says in one line what to mend."""


class ConduitError(Exception):
    """Never raised itself. Its text is one line for the operator and holds no secret."""


class ConfigurationError(ConduitError):
    """The configuration file or the environment holds something that cannot be meant."""


class AlreadyRunning(ConduitError):
    """Another instance uses the data folder."""


class EngineError(ConduitError):
    """An embedded database server did not start, or died and did not come back."""


class AuthorityError(ConduitError):
    """The certificate authority in the data folder is incomplete, readable by others, or not one."""


class ChildFailed(ConduitError):
    """A process of ours did not become ready."""


class Traced(ConduitError):
    """A debugger watches this process, which was not told to allow it."""
