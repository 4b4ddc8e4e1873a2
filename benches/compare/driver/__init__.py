"""Measures proxies beside one another: starts them, loads them in turns, and writes down what came of it."""
