"""What goes in and comes out: texts, models, arrays, answers. No call is made here."""
