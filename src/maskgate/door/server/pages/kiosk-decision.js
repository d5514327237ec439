// From the faces of each frame to one verdict per person and one for the door. These are pure
// functions: time is an argument, in seconds.

export const GO = "go", PUT_ON = "put_on", COVER = "cover", TAKE_OFF = "take_off";
export const CLOSER = "closer", MOMENT = "moment", EMPTY = "empty", LET_IN = "let_in";

const BY_POLICY = {
  worn: { wear: GO, incorrect: COVER, not_wear: PUT_ON },
  bare: { wear: TAKE_OFF, incorrect: TAKE_OFF, not_wear: GO },
};
// What the door says if somebody in front has this verdict; the first one that applies.
const ORDER = [PUT_ON, TAKE_OFF, COVER, MOMENT];

const WINDOW = 1.5; // seconds of readings that vote
const FEWEST = 3; // readings before there is a verdict
const SHARE = 0.6; // of the readings, for a verdict
const GO_SHARE = 0.75; // of the readings, to go
const GO_TIME = 0.5; // seconds that these readings span at least
const GO_ENDS = 0.5; // share of the readings below which go ends
const FORGOTTEN = 0.8; // seconds after which a person without a face in the frames has left
const HOLD = 2; // seconds that go stays after the last person has left
const NEAR_ENDS = 0.85; // of `near`: hysteresis

export const STALE = 2; // seconds: an older frame or answer is no basis for a verdict
export const DARK = 22; // mean brightness of 255 below which a frame is too dark
const DARK_TIME = 0.4; // seconds

export function start() {
  return { people: [], next: 1, door: EMPTY, goTime: -Infinity };
}

// What one frame says of one face. `size` is [width, height] of the frame.
export function reading(face, size, options, wasNear) {
  const width = (face.box[2] - face.box[0]) / Math.max(...size);
  if (width < options.near * (wasNear ? NEAR_ENDS : 1)) return CLOSER;
  if (face.reading) return face.reading;
  return face.unsure ? MOMENT : BY_POLICY[options.policy][face.mask.value];
}

// The verdict on a person: a majority of the latest readings, [{time, value}], replaces `verdict`.
export function settle(verdict, readings, time) {
  if (readings.length < FEWEST) return verdict;
  const counts = {};
  for (const each of readings) counts[each.value] = (counts[each.value] ?? 0) + 1;
  const share = (value) => (counts[value] ?? 0) / readings.length;
  const best = Object.keys(counts).reduce((a, b) => (counts[b] > counts[a] ? b : a));
  if (best === GO) {
    if (share(GO) >= GO_SHARE && time - readings[0].time >= GO_TIME) return GO;
  } else if (share(best) >= SHARE) {
    return best;
  }
  return verdict === GO && share(GO) < GO_ENDS ? MOMENT : verdict;
}

// The state after the faces of one frame: people are followed from frame to frame by their boxes.
export function update(state, frame, time, options) {
  const size = [frame.width, frame.height];
  const pairs = [];
  state.people.forEach((person, row) =>
    frame.faces.forEach((face, column) => {
      const apart = distance(person.box, face.box);
      if (apart < 1) pairs.push({ row, column, apart });
    }),
  );
  pairs.sort((a, b) => a.apart - b.apart);
  const matched = new Map(), used = new Set();
  for (const { row, column } of pairs) {
    if (matched.has(row) || used.has(column)) continue;
    matched.set(row, column);
    used.add(column);
  }
  let next = state.next;
  const people = state.people.map((person, row) =>
    matched.has(row) ? seen(person, frame.faces[matched.get(row)], size, time, options) : person,
  );
  frame.faces.forEach((face, column) => {
    if (used.has(column)) return;
    const person = { id: next++, verdict: MOMENT, readings: [], isNear: false };
    people.push(seen(person, face, size, time, options));
  });
  return decide({ ...state, people, next }, time);
}

function seen(person, face, size, time, options) {
  const value = reading(face, size, options, person.isNear);
  const isNear = value !== CLOSER;
  let { verdict, readings } = person;
  if (isNear && !person.isNear) {
    [verdict, readings] = [MOMENT, []]; // in front at once, whatever the readings from afar say
  } else if (!isNear && !readings.length) {
    verdict = CLOSER; // a new person who is far is not in front
  }
  readings = [...readings.filter((each) => time - each.time <= WINDOW), { time, value }];
  verdict = settle(verdict, readings, time);
  return { ...person, verdict, readings, isNear, face, box: face.box, time };
}

// Between the centres of two boxes, in units of 0.7 of their mean width; Infinity if one is more
// than twice as wide as the other.
function distance(a, b) {
  const [one, two] = [a[2] - a[0], b[2] - b[0]];
  if (Math.max(one, two) > 2 * Math.min(one, two)) return Infinity;
  const x = (a[0] + a[2] - b[0] - b[2]) / 2, y = (a[1] + a[3] - b[1] - b[3]) / 2;
  return Math.hypot(x, y) / (0.35 * (one + two));
}

// The state at this time: people who have left are forgotten, and the door says go only if
// everybody in front may. A person is in front unless the verdict is to come closer.
export function decide(state, time) {
  const people = state.people.filter((each) => time - each.time <= FORGOTTEN);
  const verdicts = people.map((each) => each.verdict);
  const front = verdicts.filter((each) => each !== CLOSER);
  let { goTime } = state, door;
  if (front.length) {
    door = ORDER.find((each) => front.includes(each)) ?? GO;
    goTime = door === GO ? time : -Infinity;
  } else if (time - goTime <= HOLD) {
    door = GO;
  } else {
    door = verdicts.length ? CLOSER : EMPTY;
  }
  return { people, next: state.next, door, goTime };
}

// Why there is no verdict, or null. Times are of: the newest frame, the newest frame that differs
// from the one before it, the frame of the newest answer, the first of the latest dark frames.
export function fault(time, { problem, frame, change, answer, dark }) {
  if (problem) return problem;
  if (time - frame > STALE) return "no_camera";
  if (dark !== null && time - dark >= DARK_TIME) return "dark";
  if (time - change > STALE) return "frozen";
  if (time - answer > STALE) return "no_server";
  return null;
}
