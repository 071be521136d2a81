"""A cloud on this machine, a program of its own: speaks the DigitalOcean v2 API, makes real machines."""
