// A client for asking a server what docs/protocol.md says it answers. Nothing but Node (20 or newer) is needed.
import { randomBytes, randomUUID } from "node:crypto";

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const WAIT_MS_MAX = 30_000;

export function uuid7() {
  const hex = Date.now().toString(16).padStart(12, "0") + randomBytes(10).toString("hex");
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-7$3-8$4-$5");
}

/** Ask until `isSo` holds for an answer, with a bound; returns that answer. */
export async function until(ask, isSo, what) {
  const end = Date.now() + WAIT_MS_MAX;
  for (;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (Date.now() > end) throw new Error(`${what}: not within ${WAIT_MS_MAX / 1000} s; last: ${JSON.stringify(answer).slice(0, 300)}`);
    await sleep(300);
  }
}

/** One opening of an outbox, as far as the server sees it. */
export class Client {
  constructor(server, id = randomUUID()) {
    this.server = server;
    this.id = id;
    this.seq = 0;
    this.seen = 0;
  }

  edit(kind, item, student, value, more = {}) {
    this.seq += 1;
    return { edit_id: uuid7(), seq: this.seq, kind, item, student, base: null, value, entered_at: new Date().toISOString(), ...more };
  }

  body(edits, more = {}) {
    return { client_id: this.id, sent_at: new Date().toISOString(), exceptions_seen_seq: this.seen, edits, ...more };
  }

  /** Send, and return status, headers and answer. */
  send(edits, more = {}) {
    return this.server.post(this.server.edits, this.body(edits, more));
  }

  /** Send, and return the answer, which has to be 200. */
  async save(...edits) {
    const { status, answer } = await this.send(edits);
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(answer)}`);
    return answer;
  }

  settled() {
    return until(() => this.save(), ({ recorded_seq }) => recorded_seq === this.seq, `recorded_seq ${this.seq}`);
  }
}

export class Server {
  constructor(url, token, section) {
    this.root = `${url.replace(/\/$/, "")}/api/v1`;
    this.token = token;
    this.section = section;
    this.edits = `sections/${section}/edits`;
  }

  /** Ask, and return status, headers and answer; waits out what asks for patience. */
  async ask(path, { method = "GET", headers = {}, body, token = this.token } = {}) {
    const all = { ...(token ? { Authorization: `Bearer ${token}` } : {}), ...headers };
    const asked = () => fetch(`${this.root}/${path}`, { method, headers: all, body });
    let response = await asked();
    while (response.status === 503 || response.status === 429) {
      await sleep(1_000 * Number(response.headers.get("retry-after")));
      response = await asked();
    }
    const text = await response.text();
    let answer = null;
    try {
      answer = JSON.parse(text);
    } catch {
      // 304 and 204 have none
    }
    return { status: response.status, headers: response.headers, answer };
  }

  post(path, body, how = {}) {
    return this.ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: typeof body === "string" ? body : JSON.stringify(body), ...how });
  }

  async snapshot() {
    const { status, headers, answer } = await this.ask(`sections/${this.section}`);
    if (status !== 200) throw new Error(`the section: ${status} ${JSON.stringify(answer)}`);
    return { headers, ...answer };
  }

  /** A cell of the section as it stands; undefined for an empty one. */
  async cell(kind, item, student) {
    const { cells } = await this.snapshot();
    const at = cells.kind.findIndex((one, i) => one === kind && cells.item[i] === item && cells.student[i] === student);
    return at < 0 ? undefined : Object.fromEntries(Object.entries(cells).map(([name, column]) => [name, column[at]]));
  }

  async history(kind, item, student) {
    const { answer } = await this.ask(`sections/${this.section}/history?kind=${kind}&item=${item}&student=${student}`);
    return answer.history;
  }
}
