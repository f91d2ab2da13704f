"""Who calls a server: named tokens, what each of them may use, and what it has used."""
