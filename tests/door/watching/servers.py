"""Cameras of the network: MJPEG over HTTP from this process, and RTSP from GStreamer's server."""

import io
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from PIL import Image

from maskgate.imaging.pixels import Pixels
from tests.door import films

SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin") or ""
_RTSP = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
port, film = sys.argv[1:]
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1"); server.set_service(port)
factory = GstRtspServer.RTSPMediaFactory()
pay = "rtph264pay name=pay0 pt=96 config-interval=1"
factory.set_launch(f"( filesrc location={film} ! qtdemux ! h264parse ! {pay} )")
basic = GstRtspServer.RTSPAuth.make_basic("door", "secret")
auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
token.set_string("media.factory.role", "viewer"); auth.add_basic(basic, token)
factory.add_role_from_structure(
    Gst.Structure.from_string("viewer, media.factory.access=true, media.factory.construct=true")[0]
)
server.set_auth(auth)
server.get_mount_points().add_factory("/door", factory)
server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""


def has_rtsp() -> bool:
    """Whether GStreamer's RTSP server is installed, with what H.264 needs."""
    check = "import gi; gi.require_version('GstRtspServer', '1.0')"
    return (
        bool(SYSTEM_PYTHON)
        and not subprocess.run([SYSTEM_PYTHON, "-c", check], capture_output=True).returncode
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def rtsp(film: Path, port: int) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The URL of a camera that begins the film anew for each viewer, with its password, and the
    camera's process."""
    command = [SYSTEM_PYTHON, "-c", _RTSP, str(port), str(film)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            yield f"rtsp://door:secret@127.0.0.1:{port}/door", process
        finally:
            process.kill()


class Mjpeg:
    """A camera that sends the frame that `show` is given, with its noise, to whoever asks; while
    `hangs`, it keeps connections open and sends nothing."""

    def __init__(self, port: int = 0) -> None:
        self._frames: list[bytes] = []
        self.hangs = self._stops = False
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    camera._send(self.wfile)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/camera"
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()

    def show(self, pictures: Iterator[Pixels]) -> None:
        """Repeat these frames from now on."""
        self._frames = [_jpeg(picture) for picture in pictures]

    def stop(self) -> None:
        """Close all connections, and listen no more."""
        self._stops = True
        self._server.shutdown()
        self._server.server_close()

    def _send(self, file: io.BufferedIOBase) -> None:
        number = 0
        while not self._stops:
            if not self.hangs:
                frames = self._frames
                content = frames[number % len(frames)]
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(content)}\r\n"
                file.write(head.encode() + b"\r\n" + content + b"\r\n")
                number += 1
            time.sleep(1 / films.FPS)


def _jpeg(picture: Pixels) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=85)
    return out.getvalue()
