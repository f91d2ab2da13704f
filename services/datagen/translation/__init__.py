"""Systems that translate, behind one interface."""
