"""Small questions and messages over a screen, one a file."""
