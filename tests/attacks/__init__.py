"""Attacks on the listeners of the running product, each test named after its attack.

What must hold after each: the real key reached only the host it is bound to, no placeholder left the company,
the caller got an answer or a closed connection in time, and the next honest call works.
"""
