/** The server's clock, as its answers tell it: moments on the screen are told by it, and not by a computer whose clock is wrong. */

let offset = 0;
/** How long the answer took that the offset rests on: the quicker, the better. */
let quickest = Infinity;

/** Take the time from an answer; `sent` is when it was asked for, by this computer's clock. */
export function noteServerTime(answer: Response, sent: number, now: number = Date.now()): void {
  const told = Date.parse(answer.headers.get("date") ?? "");
  if (Number.isNaN(told)) return;
  // The header has whole seconds: half a second is right on average.
  const found = told + 500 - (sent + now) / 2;
  const took = now - sent;
  if (took > quickest && Math.abs(found - offset) < 1_500 + took) return;
  quickest = took;
  offset = found;
}

/** Now, by the server's clock; by this computer's until the server has said anything. Milliseconds since 1970. */
export function serverNow(): number {
  return Date.now() + offset;
}

/** Milliseconds that this computer's clock is behind the server's; null until an answer has come. */
export function clockBehind(): number | null {
  return quickest === Infinity ? null : offset;
}
