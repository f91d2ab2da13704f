"""A store from outside: what is in it, what names what, and what may be removed."""
