"""The door as a service: photos and camera frames in, verdicts out, over HTTP and WebSocket.

It needs the extra `door`. No photo is written to a file, a log or a metric.
"""
