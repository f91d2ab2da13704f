"""Requests and answers of each service, for both clients: everything but the waiting."""
