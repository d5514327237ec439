// The connection to the service: frames and their verdicts, and the events of this door. `camera` is
// the name of the service's camera; without one, the page sends frames.

const LONGEST_WAIT = 3000; // milliseconds between attempts
const IN_FLIGHT = 2; // frames without an answer
const REPEAT = 1000; // milliseconds between reports of the same state

export class Link {
  constructor(door, camera = null) {
    this.door = door;
    this.camera = camera;
    this.answerTime = -Infinity; // when the frame of the newest answer was taken, in seconds
    this.onanswer = this.onevent = this.onreopen = () => {};
    this.wait = 250;
  }

  open() {
    this.sent = [];
    this.number = 0;
    this.reportTime = -Infinity;
    this.openTime = performance.now() / 1000;
    const url = new URL(`/v1/stream?door=${encodeURIComponent(this.door)}`, location.href);
    if (this.camera !== null) url.searchParams.set("camera", this.camera);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = (this.socket = new WebSocket(url));
    socket.onopen = () => {
      this.wait = 250;
      if (this.isLater) this.onreopen();
      this.isLater = true;
    };
    socket.binaryType = "blob";
    socket.onmessage = ({ data }) => socket === this.socket && this.take(data);
    socket.onclose = () => socket === this.socket && this.reopen();
  }

  async reopen() {
    this.socket = null;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.wait);
    this.wait = Math.min(LONGEST_WAIT, 2 * this.wait);
    try {
      const answer = await fetch("/readyz", { cache: "no-store" });
      if (answer.status === 401) location.assign("/pair");
    } catch {
      // the service is not there; the next attempt follows
    }
  }

  // A frame is sent if few are on their way; one without an answer for long no longer counts.
  async send(camera, time, limit) {
    if (this.isEncoding || this.socket?.readyState !== WebSocket.OPEN) return;
    this.sent = this.sent.filter((each) => time - each.time <= limit);
    if (this.sent.length >= IN_FLIGHT) return;
    this.isEncoding = true;
    try {
      const socket = this.socket, blob = await camera.jpeg();
      if (blob && socket === this.socket && socket.readyState === WebSocket.OPEN) {
        this.sent.push({ frame: ++this.number, time });
        socket.send(blob);
      }
    } finally {
      this.isEncoding = false;
    }
  }

  // Ask for pictures of the service's camera: they are counted as frames that were sent now.
  ask(time, limit) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    this.sent = this.sent.filter((each) => time - each.time <= limit);
    while (this.sent.length < IN_FLIGHT) {
      this.sent.push({ frame: ++this.number, time });
      this.socket.send(JSON.stringify({ next: this.number }));
    }
  }

  // After an answer on a frame of the service's camera comes its picture.
  take(data) {
    if (data instanceof Blob) {
      this.receive(this.announced, data);
      return;
    }
    const answer = JSON.parse(data);
    if (this.camera !== null && answer.faces) this.announced = answer;
    else this.receive(answer);
  }

  receive(answer, picture = null) {
    const sent = this.sent.find((each) => each.frame === answer.frame);
    this.sent = this.sent.filter((each) => each.frame > answer.frame);
    if (!sent || answer.error) return;
    const time = sent.time - (answer.age ?? 0);
    this.answerTime = Math.max(this.answerTime, time);
    this.onanswer(answer, time, picture);
  }

  // Nothing has been answered for long: the socket may be dead without a sign.
  check(time, patience) {
    if (this.socket && time - Math.max(this.answerTime, this.openTime) > patience) {
      const socket = this.socket;
      this.reopen();
      socket.close();
    }
  }

  // What the screen says: others read it, such as a relay. It is repeated, as it holds for 3 s only.
  // With `restart` the service follows people anew.
  report(report) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const time = performance.now();
    const text = JSON.stringify(report);
    if (text === this.reported && time - this.reportTime < REPEAT) return;
    this.socket.send(text);
    [this.reported, this.reportTime] = [text, time];
  }

  listen() {
    const events = new EventSource("/v1/events");
    const pass = ({ data }) => {
      const event = JSON.parse(data);
      if (event.door === this.door) this.onevent(event);
    };
    events.addEventListener("override", pass);
    events.addEventListener("alert", pass);
    events.onerror = () => {
      if (events.readyState !== EventSource.CLOSED) return; // else the browser tries again
      setTimeout(() => this.listen(), LONGEST_WAIT);
    };
  }

  async publish(kind, reason) {
    try {
      const url = `/v1/events/${kind}/${reason}?door=${encodeURIComponent(this.door)}`;
      return (await fetch(url, { method: "POST" })).ok;
    } catch {
      return false;
    }
  }
}
