/** A server that keeps the promises of docs/protocol.md in memory, and breaks what else one asks it to. */
import type { World } from "./world.ts";

export interface Sent {
  edit_id: string; seq: number; kind: string; item: number; student: number; base: string | null; value: unknown; entered_at: string;
  resolves?: string[];
}
type Status = "applied" | "conflict" | "rejected";
interface Known { readonly edit: Sent; readonly isOwn: boolean; status: Status; readonly section: number }
interface Client { readonly ids: Map<number, string>; exceptions: { seq: number; edit_id: string; outcome: string; code?: string; head?: unknown }[] }
interface Body { client_id: string; exceptions_seen_seq: number; edits: Sent[] }

/** What becomes of the next request. `cut`: it is taken, and the answer is lost. `hang`: nobody ever answers. */
export type Mode = "ok" | "lost" | "cut" | "hang" | "503" | "500" | "401" | "portal";

export class Server {
  /** What becomes of requests: these one after the other, then `mode`. */
  modes: Mode[] = [];
  mode: Mode = "ok";
  nextSaveMs = 5_000;
  /** Values that are refused at once, and those that are drafted and refused later. */
  isBad = (_: Sent): boolean => false;
  isLateBad = (_: Sent): boolean => false;
  readonly requests: { at: number; section: number; body: Body; keepalive: boolean }[] = [];
  readonly journal = new Map<string, Known>();
  /** Insertion order is the order in which PostgreSQL got to know them. */
  readonly records = new Map<string, Known>();
  private readonly heads = new Map<string, string>();
  private readonly clients = new Map<string, Client>();

  private readonly world: World;

  constructor(world: World) {
    this.world = world;
  }

  readonly fetch = (async (url: string, init: RequestInit): Promise<unknown> => {
    const section = Number(/sections\/(\d+)\/edits/.exec(url)![1]);
    const body = JSON.parse(init.body as string) as Body;
    this.requests.push({ at: this.world.now, section, body, keepalive: init.keepalive === true });
    await new Promise((resolve) => setImmediate(resolve));
    const mode = this.modes.shift() ?? this.mode;
    if (mode === "lost") throw new TypeError("Failed to fetch");
    if (mode === "hang") {
      return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError"))));
    }
    if (mode === "503") return this.answer(503, { code: "overloaded" }, { "Retry-After": "7" });
    if (mode === "500") return this.answer(500, { code: "internal_error" });
    if (mode === "401") return this.answer(401, { code: "sign_in_required" });
    if (mode === "portal") return this.answer(200, { welcome: "to the hotel" });
    const [status, answer] = this.save(section, body);
    if (mode === "cut") throw new TypeError("Failed to fetch");
    return this.answer(status, answer);
  }) as unknown as typeof fetch;

  answer(status: number, body: unknown, headers: Record<string, string> = {}): unknown {
    const all: Record<string, string> = { Date: new Date(this.world.now).toUTCString(), ...headers };
    const json = JSON.parse(JSON.stringify(body));
    return { status, ok: status < 300, headers: { get: (name: string) => all[name] ?? null }, json: async () => json };
  }

  private known = (id: string): Known | undefined => this.records.get(id) ?? this.journal.get(id);
  private place = (section: number, { kind, item, student }: Sent): string => `${section}/${kind}/${item}/${student}`;

  /** An edit based on an own one that never applied counts as based on that one's base. */
  private baseOf(base: string | null): string | null {
    for (let known = base && this.known(base); known && known.isOwn && known.status !== "applied"; known = base && this.known(base)) base = known.edit.base;
    return base;
  }

  /** What stands in the cell: what is drafted over what is recorded. */
  headOf(place: string): Known | undefined {
    let head = this.heads.get(place);
    for (const { edit, status, section } of this.journal.values()) if (status === "applied" && this.place(section, edit) === place) head = edit.edit_id;
    return head === undefined ? undefined : this.known(head);
  }

  private shown = (known: Known | undefined): unknown =>
    known && { edit_id: known.edit.edit_id, value: known.edit.value, author_id: known.isOwn ? 7 : 9, entered_at: known.edit.entered_at, cell_version: 1 };

  private client(section: number, id: string): Client {
    const key = `${section}/${id}`;
    if (!this.clients.has(key)) this.clients.set(key, { ids: new Map(), exceptions: [] });
    return this.clients.get(key)!;
  }

  private upTo(client: Client, has: (id: string) => boolean): number {
    let seq = 0;
    while (client.ids.has(seq + 1) && has(client.ids.get(seq + 1)!)) seq++;
    return seq;
  }

  private save(section: number, { client_id, exceptions_seen_seq, edits }: Body): [number, unknown] {
    const client = this.client(section, client_id);
    const drafted = this.upTo(client, (id) => !!this.known(id));
    if (edits.length && edits[0]!.seq > drafted + 1) return [409, { code: "seq_gap", params: { expected_seq: drafted + 1 } }];
    const outcomes = edits.map((edit) => {
      client.ids.set(edit.seq, edit.edit_id);
      return this.judge(section, edit);
    });
    const recorded_seq = this.upTo(client, (id) => this.records.has(id));
    client.exceptions = client.exceptions.filter(({ seq }) => seq > exceptions_seen_seq);
    return [200, {
      outcomes, drafted_seq: this.upTo(client, (id) => !!this.known(id)), recorded_seq,
      exceptions: client.exceptions.filter(({ seq }) => seq <= recorded_seq), next_save_ms: this.nextSaveMs, receipt: edits.length ? "r1.x" : null,
    }];
  }

  private judge(section: number, edit: Sent): unknown {
    const place = this.place(section, edit);
    let known = this.known(edit.edit_id);
    if (!known) {
      const head = this.headOf(place)?.edit.edit_id ?? null;
      const status = this.isBad(edit) ? "rejected" : this.baseOf(edit.base) === head ? "applied" : "conflict";
      known = { edit, isOwn: true, status, section };
      this.journal.set(edit.edit_id, known);
    }
    const { edit_id } = edit;
    if (known.status === "rejected") return { edit_id, outcome: "rejected", code: "score_out_of_range", params: { max: "20" } };
    if (known.status === "conflict") return { edit_id, outcome: "conflict", head: this.shown(this.headOf(place)), cell_version: 2 };
    return { edit_id, outcome: this.records.has(edit_id) ? "recorded" : "drafted", cell_version: 2 };
  }

  /** PostgreSQL judges what is in the journal. */
  flush(): void {
    for (const known of this.journal.values()) {
      const { edit, section } = known;
      const place = this.place(section, edit);
      const was = known.status;
      if (was === "applied") {
        const stands = this.heads.get(place) ?? null;
        const base = this.baseOf(edit.base);
        known.status = this.isLateBad(edit) ? "rejected" : base === stands ? "applied" : "conflict";
      }
      this.journal.delete(edit.edit_id);
      if (this.records.has(edit.edit_id)) throw new Error("recorded twice");
      this.records.set(edit.edit_id, known);
      if (known.status === "applied") this.heads.set(place, edit.edit_id);
      if (was === "applied" && known.status !== "applied") this.except(known, place);
    }
  }

  private except({ edit, status, section }: Known, place: string): void {
    for (const [key, client] of this.clients) {
      if (!key.startsWith(`${section}/`)) continue;
      for (const [seq, id] of client.ids) {
        if (id !== edit.edit_id) continue;
        const why = status === "conflict" ? { head: this.shown(this.known(this.heads.get(place) ?? "")) } : { code: "enrollment_ended" };
        client.exceptions.push({ seq, edit_id: id, outcome: status, ...why });
      }
    }
  }

  /** The journal's disk is gone, and what was only there: edits, and that a client has sent them. */
  loseJournal(): void {
    this.journal.clear();
    for (const { ids } of this.clients.values()) for (const [seq, id] of ids) if (!this.records.has(id)) ids.delete(seq);
  }

  /** A co-teacher writes into a cell. */
  colleague(section: number, cell: { kind: string; item: number; student: number }, value: unknown): void {
    const edit_id = `00000000-0000-7000-8000-${String(this.records.size).padStart(12, "0")}`;
    const edit = { ...cell, edit_id, seq: 0, base: null, value, entered_at: new Date(this.world.now).toISOString() };
    this.records.set(edit_id, { edit, isOwn: false, status: "applied", section });
    this.heads.set(this.place(section, edit), edit_id);
  }
}
