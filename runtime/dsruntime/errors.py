"""The errors of the runtime: sentences to someone who can act.

ModelError is for whoever has the file or the input, BackendError for whoever has the machine. Both say where, what was
found, what was expected and what to do; nothing else leaves this package for bad input.
"""


class DsError(Exception):
    """str() is "where: found; expected ...; what to do"; the parts are attributes, for programs."""

    def __init__(self, where: str, found: str, expected: str = "", what_to_do: str = "", *, message: str = "") -> None:
        self.where = where
        self.found = found
        self.expected = expected
        self.what_to_do = what_to_do
        super().__init__(message or sentence(where, found, expected, what_to_do))

    def __reduce__(self):
        return rebuild, (type(self), self.where, self.found, self.expected, self.what_to_do, str(self))


class ModelError(DsError):
    """The file, or what was asked of it, is wrong."""


class BackendError(DsError):
    """This machine cannot: no library, no driver, no memory, no kernel."""


def sentence(where: str, found: str, expected: str, what_to_do: str) -> str:
    rest = [found, f"expected {expected}" if expected else "", what_to_do]
    text = "; ".join(part for part in rest if part)
    return f"{where}: {text}" if where else text


def rebuild(kind, where, found, expected, what_to_do, message):
    return kind(where, found, expected, what_to_do, message=message)
