/** A UUID that sorts by the time it was made (version 7, RFC 9562); `crypto.randomUUID` is missing in older browsers. Until the year 2527. */
export function uuid7(now: number): string {
  const random = crypto.getRandomValues(new Uint8Array(32));
  const time = Math.floor(now).toString(16);
  let i = 0;
  return "0xxxxxxx-xxxx-7xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => time[i++] ?? (random[i]! & 15).toString(16));
}
