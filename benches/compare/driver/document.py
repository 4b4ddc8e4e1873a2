"""Puts a text between two marks of a document, and changes nothing else."""


class NoPlace(Exception):
    pass


def replaced(document, name, text):
    """The document with `text` between its marks `<!-- begin NAME -->` and `<!-- end NAME -->`."""
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = document.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise NoPlace(f"there is no {begin} before a {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"
