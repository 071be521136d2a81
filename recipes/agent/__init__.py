"""The program that runs on a machine.

Its files are ordinary modules here (checked and tested as such); :mod:`recipes.compiler` joins those a recipe needs to
one source text that travels to the machine. They use the standard library only, work with Python 3.9, and import
nothing that is slow to load at the top.
"""
