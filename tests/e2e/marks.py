"""Marks for test functions."""


def full_only(function):
    """Left out of --smoke."""
    function.full_only = True
    return function


def limit(seconds):
    """The test is given up after so long."""
    def mark(function):
        function.limit_s = seconds
        return function
    return mark
