"""Octets that others wrote, at random, for everything that decodes such: `make fuzz`, and a sample of it in `make test`.

engine.py mutates, and keeps what takes new ways through the program. A target says what must be true whatever the octets are;
corpus/TARGET.txt has the cases that once found something, which the sample repeats.

Why an engine of our own: Hypothesis, which unit tests use, makes values and does not see where they lead, so it rarely gets
behind the first check of a format. atheris has to be built with a compiler of its own for each Python. What is needed of
either is small: some mutations, and to know which lines followed each other, which sys.settrace tells in every Python.
"""
