"""The service's ports, all on loopback, all free ones picked at run time."""
import socket
import ssl
import sys
import threading
from http.server import ThreadingHTTPServer

from cryptography import x509

from wire import Handler


class Server(ThreadingHTTPServer):
    """One address: plain, or TLS with the given certificate, and with a client_ca only for
    clients that show a certificate of that CA. The handshake is done by the connection's own
    thread, so that a client which stalls stops nobody else."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, address, service, certificate=None, client_ca=None):
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, Handler)
        self.service = service
        self.scheme = "https" if certificate else "http"
        self.context = None
        if certificate:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def server_bind(self):
        # HTTPServer's own asks the resolver for a host name, which may take its time.
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def finish_request(self, request, client_address):
        if self.context:
            try:
                request = self.context.wrap_socket(request, server_side=True,
                                                   do_handshake_on_connect=False)
            except OSError:
                return
            # socketserver closes the socket it knows, which wrap_socket has emptied.
            with request:
                try:
                    request.do_handshake()
                except OSError:
                    self.let_alert_arrive(request)
                    return
                super().finish_request(request, client_address)
                self.say_goodbye(request)
        else:
            super().finish_request(request, client_address)

    @staticmethod
    def let_alert_arrive(request):
        """Closed with something unread, a socket is reset, and what was sent last can be lost: read,
        beside TLS, until the client has gone."""
        try:
            request.settimeout(1)
            socket.socket.shutdown(request, socket.SHUT_WR)
            while socket.socket.recv(request, 4096):
                pass
        except OSError:
            pass

    @staticmethod
    def say_goodbye(request):
        """Send close_notify: without it an answer that ends with its connection looks cut."""
        try:
            request.settimeout(0.2)
            request.unwrap()
        except (OSError, ValueError):
            pass

    def handle_error(self, request, client_address):
        # What went wrong in a handler belongs on stderr, but a client that went away does not.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def on_loopback(service, certificate=None, client_ca=None):
    """Serve 127.0.0.1, and ::1 where the machine has it, on one port. Returns the port."""
    port = Server(("127.0.0.1", 0), service, certificate, client_ca).server_port
    try:
        Server(("::1", port), service, certificate, client_ca)
    except OSError:
        pass
    return port


_kept = []


def _bound(backlog=None):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    if backlog is not None:
        listener.listen(backlog)
    _kept.append(listener)
    return listener.getsockname()


def refused():
    """A port where connections are refused; it stays ours, so nobody else can listen there."""
    return _bound()[1]


def silent():
    """A port that accepts connections and says nothing: a stalled TLS handshake."""
    return _bound(1024)[1]


def full():
    """A port whose backlog is full: a connection attempt hangs in SYN_SENT."""
    address = _bound(0)
    for _ in range(8):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(address)
        _kept.append(client)
    return address[1]


def open_all(service, authority):
    """Start every listener. Returns {name: port}."""
    wrong = [x509.DNSName("wrong.example")]
    return {
        "http": on_loopback(service),
        "https": on_loopback(service, authority.server("server")),
        "https_client": on_loopback(service, authority.server("client_server"),
                                    client_ca=authority.path),
        "https_wrong_name": on_loopback(service, authority.server("wrong_name", names=wrong)),
        "https_expired": on_loopback(service, authority.server("expired", expired=True)),
        "https_self_signed": on_loopback(
            service, authority.server("self_signed", self_signed=True)),
        "refused": refused(),
        "silent": silent(),
        "full": full(),
    }
