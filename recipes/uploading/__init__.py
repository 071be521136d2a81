"""The service that keeps uploads of many webservers alike, by way of a bucket (:mod:`recipes.uploads` puts it there).

It runs on webservers, so it needs Python 3.10 and nothing else, and its modules speak of each other relatively.
"""
