# A service that waits for its peers: on SIGTERM it accepts no more connections, and ends when all others are closed.
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Hello(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format, *args):
        pass


class Waiting(ThreadingHTTPServer):
    daemon_threads = False  # server_close waits for the threads of all connections


server = Waiting((os.environ["HOST"], int(os.environ["PORT"])), Hello)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
