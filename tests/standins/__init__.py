"""Local stand-ins of the AI providers, and of the machines that call them: real sockets, real TLS.

Nothing in the product imports this package; ``demo``, ``bench`` and the journeys do.
"""
