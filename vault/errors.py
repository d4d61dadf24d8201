"""Why a secret stays closed. No error here carries key material, ciphertext, or which check failed."""


class VaultError(Exception):
    """The base; never raised itself."""


class Sealed(VaultError):
    """No key-encryption key is to be had: none was given, or its source does not answer."""


class NotBound(VaultError):
    """The credential is not bound to the host that it was asked for."""


class Unopenable(VaultError):
    """An envelope or wrapped key does not open: altered, moved, rolled back, revoked or shredded.

    One error for all of these, so that no caller can be used as an oracle.
    """


class KeySourceRefused(VaultError):
    """A source of key-encryption keys is set up wrongly; the message tells the operator what to mend."""


class Exhausted(VaultError):
    """A data key has sealed as often as it may; rotate the tenant's key."""
