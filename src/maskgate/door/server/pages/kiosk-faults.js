// Why a page shows no verdict. The service decides what it shows otherwise: see door/decision.

export const STALE = 2; // seconds: an older frame or answer is no basis for a verdict
export const DARK = 22; // mean brightness of 255 below which a frame is too dark
const DARK_TIME = 0.4; // seconds

// The reason, or null. Times are in seconds, of: the newest frame, the newest frame that differs
// from the one before it, the frame of the newest answer, the first of the latest dark frames.
export function fault(time, { problem, frame, change, answer, dark }) {
  if (problem) return problem;
  if (time - frame > STALE) return "no_camera";
  if (dark !== null && time - dark >= DARK_TIME) return "dark";
  if (time - change > STALE) return "frozen";
  if (time - answer > STALE) return "no_server";
  return null;
}
