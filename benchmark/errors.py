"""The one exception a user may cause."""


class UserError(Exception):
    """Bad input. The message is one line: what is wrong, where, and how to mend it.

    The command line prints it as ``pcbench: <message>`` and exits with status 2, without a traceback.
    """
