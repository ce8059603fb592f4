"""Sessions of the server, straight on libpq: there is no driver for Python among the packages,
and a session that dies must say so at once, with its SQLSTATE."""
import ctypes
import select

libpq = ctypes.CDLL("libpq.so.5")
for name in ("PQconnectStart", "PQexec"):
    getattr(libpq, name).restype = ctypes.c_void_p
for name in ("PQgetvalue", "PQresultErrorField", "PQerrorMessage"):
    getattr(libpq, name).restype = ctypes.c_char_p
for name in ("PQfinish", "PQclear", "PQconnectPoll", "PQsocket", "PQstatus", "PQresultStatus", "PQntuples", "PQnfields",
             "PQerrorMessage", "PQbackendPID"):
    getattr(libpq, name).argtypes = [ctypes.c_void_p]
libpq.PQconnectStart.argtypes = [ctypes.c_char_p]
libpq.PQexec.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
libpq.PQgetvalue.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
libpq.PQgetisnull.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int]
libpq.PQresultErrorField.argtypes = [ctypes.c_void_p, ctypes.c_int]
libpq.PQsetNoticeProcessor.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]

CONNECTION_OK, CONNECTION_BAD = 0, 1
POLLING_FAILED, POLLING_READING, POLLING_WRITING, POLLING_OK = range(4)
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
        self.connection = libpq.PQconnectStart(conninfo.encode())
        libpq.PQsetNoticeProcessor(self.connection, ctypes.cast(_silent, ctypes.c_void_p), None)
        self.connect()
        if libpq.PQstatus(self.connection) != CONNECTION_OK:
            message = libpq.PQerrorMessage(self.connection).decode(errors="replace").strip()
            self.close()
            raise Lost(message)
        self.pid = libpq.PQbackendPID(self.connection)

    def connect(self):
        """In steps, since what a server says when it dies would else go to standard error."""
        state = POLLING_WRITING
        while libpq.PQstatus(self.connection) != CONNECTION_BAD and state in (POLLING_READING,
                                                                             POLLING_WRITING):
            socket = [libpq.PQsocket(self.connection)]
            select.select(socket if state == POLLING_READING else [],
                          socket if state == POLLING_WRITING else [], [])
            state = libpq.PQconnectPoll(self.connection)

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
            sqlstate = libpq.PQresultErrorField(result, SQLSTATE)
            # What libpq itself has to say has no SQLSTATE: the connection broke.
            if sqlstate is None or libpq.PQstatus(self.connection) != CONNECTION_OK:
                raise Lost(libpq.PQerrorMessage(self.connection).decode(errors="replace"))
            raise Refused(sqlstate.decode(),
                          libpq.PQresultErrorField(result, PRIMARY).decode())
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
