"""PAM: the administrator's file for it, and python-pam made to fit.

Runs as: root.
Trusts: PAM and the administrator.
"""
