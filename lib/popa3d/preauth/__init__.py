"""The AUTHORIZATION state, in a child that can do nothing else.

Runs as: popa3d, chrooted to an empty directory.
Trusts: nobody.
"""
