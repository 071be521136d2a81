"""One file a command: ``add`` declares its words, ``run`` does it. Heavy imports stay inside ``run``."""
