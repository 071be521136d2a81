"""Watches the webservers, heals and scales them: pure decisions, what they are made from, what carries them out."""
