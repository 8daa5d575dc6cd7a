"""Mutations: one line of the program made wrong, in a copy, which some test must notice. tables/ has them, by folder."""
