"""The decisions: frozen models and pure functions.

Nothing here performs I/O, reads a clock, or knows mitmproxy or the database; time is passed in.
"""
