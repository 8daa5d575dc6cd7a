"""The Debian package: built, installed on clean private hosts, upgraded, removed and purged."""
