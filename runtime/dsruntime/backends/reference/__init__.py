"""reference: every op and codec in plain NumPy. Complete, short, slow: the oracle of the other backends."""
