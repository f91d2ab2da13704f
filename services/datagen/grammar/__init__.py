"""A multilingual grammar: one abstract syntax, many languages, trees and labels known by construction."""
