"""``make demo``: a company, its machines, its providers, and what the gateway lets them do to each other."""
