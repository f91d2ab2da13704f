"""Stubs of the contract, generated from protos/babelscope/v1 by `make protos`."""
