"""Sessions of the server, straight on libpq: there is no driver for Python among the packages,
and a session that dies must say so at once, with its SQLSTATE."""
import ctypes

libpq = ctypes.CDLL("libpq.so.5")
for name in ("PQconnectdb", "PQexec"):
    getattr(libpq, name).restype = ctypes.c_void_p
for name in ("PQgetvalue", "PQresultErrorField", "PQerrorMessage"):
    getattr(libpq, name).restype = ctypes.c_char_p
for name in ("PQfinish", "PQclear", "PQstatus", "PQresultStatus", "PQntuples", "PQnfields",
             "PQerrorMessage", "PQbackendPID"):
    getattr(libpq, name).argtypes = [ctypes.c_void_p]
libpq.PQconnectdb.argtypes = [ctypes.c_char_p]
libpq.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
libpq.PQgetvalue.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
libpq.PQgetisnull.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
libpq.PQresultErrorField.argtypes = [ctypes.c_void_p, ctypes.c_int]
libpq.PQsetNoticeProcessor.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]

CONNECTION_OK = 0
COMMAND_OK, TUPLES_OK = 1, 2
SQLSTATE, PRIMARY = ord("C"), ord("M")

_Notice = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_char_p)
_silent = _Notice(lambda unused, text: None)


class Refused(Exception):
    """The server refused a statement; the session goes on."""

    def __init__(self, sqlstate, message):
        super().__init__("%s: %s" % (sqlstate, message))
        self.sqlstate = sqlstate


class Lost(Exception):
    """There is no session, or no longer."""


class Session:
    """One session. It belongs to the thread that uses it."""

    def __init__(self, conninfo):
        self.connection = libpq.PQconnectdb(conninfo.encode())
        if libpq.PQstatus(self.connection) != CONNECTION_OK:
            message = libpq.PQerrorMessage(self.connection).decode(errors="replace").strip()
            self.close()
            raise Lost(message)
        libpq.PQsetNoticeProcessor(self.connection, ctypes.cast(_silent, ctypes.c_void_p), None)
        self.pid = libpq.PQbackendPID(self.connection)

    def rows(self, sql):
        """The rows of the last statement, each a list of texts and None."""
        if self.connection is None:
            raise Lost("closed")
        result = libpq.PQexec(self.connection, sql.encode())
        try:
            if libpq.PQresultStatus(result) in (COMMAND_OK, TUPLES_OK):
                return [[None if libpq.PQgetisnull(result, row, column)
                         else libpq.PQgetvalue(result, row, column).decode()
                         for column in range(libpq.PQnfields(result))]
                        for row in range(libpq.PQntuples(result))]
            if libpq.PQstatus(self.connection) != CONNECTION_OK:
                raise Lost(libpq.PQerrorMessage(self.connection).decode(errors="replace"))
            raise Refused((libpq.PQresultErrorField(result, SQLSTATE) or b"").decode(),
                          (libpq.PQresultErrorField(result, PRIMARY) or b"").decode())
        finally:
            libpq.PQclear(result)

    def value(self, sql):
        """The first field of the first row; None where there is none."""
        rows = self.rows(sql)
        return rows[0][0] if rows else None

    def close(self):
        if self.connection is not None:
            libpq.PQfinish(self.connection)
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


def quote(text):
    return "'" + text.replace("'", "''") + "'"
