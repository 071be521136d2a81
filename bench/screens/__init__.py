"""How quickly the build view answers a key while machines pour out lines, how much memory it takes, how soon it is
there; measured from outside, over a terminal."""
