"""The languages of the grammar: one file each, its words in `lexica/`."""
