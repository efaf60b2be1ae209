/** One stream of server-sent events, read with `fetch`: what the server said, until it ends, and how it ended. */

export interface StreamEvent {
  readonly event: string;
  readonly data: unknown;
}

export interface StreamEnd {
  /** 0 where no answer came, or the stream broke off; else the status of an answer that was no stream, or 200. */
  readonly status: number;
  /** How long the server wants to be left alone; null if it did not say. */
  readonly wait_ms: number | null;
}

export interface StreamListener {
  /** Bytes have come: the stream lives. The first call says that it is open. */
  readonly alive: () => void;
  readonly event: (event: StreamEvent) => void;
  readonly end: (end: StreamEnd) => void;
}

/** The server says something every 15 s. */
const SILENT_MS_MAX = 40_000;

/** Takes the text of a stream as it comes, and gives the events that are whole. */
export class EventReader {
  retry_ms: number | null = null;
  #rest = "";

  take(text: string): StreamEvent[] {
    const blocks = (this.#rest + text).replace(/\r\n/g, "\n").split("\n\n");
    this.#rest = blocks.pop() ?? "";
    return blocks.flatMap((block) => this.#read(block));
  }

  #read(block: string): StreamEvent[] {
    let event = "message";
    let data: string | undefined;
    for (const line of block.split("\n")) {
      const [, name, value = ""] = /^(\w+): ?(.*)$/.exec(line) ?? [];
      if (name === "event") event = value;
      else if (name === "data") data = data === undefined ? value : `${data}\n${value}`;
      else if (name === "retry") this.retry_ms = Number(value) || null;
    }
    if (data === undefined) return [];
    try {
      return [{ event, data: JSON.parse(data) as unknown }];
    } catch {
      return [];
    }
  }
}

/** Open a stream. Call what is returned to close it; `end` is not called then. */
export function openStream(path: string, headers: Record<string, string>, listener: StreamListener): () => void {
  const stop = new AbortController();
  let isClosed = false;
  let limit: ReturnType<typeof setTimeout> | undefined;
  const stillAlive = (): void => {
    clearTimeout(limit);
    limit = setTimeout(() => stop.abort(), SILENT_MS_MAX);
  };
  const reader = new EventReader();
  const read = async (): Promise<StreamEnd> => {
    stillAlive();
    const answer = await fetch(path, { headers, credentials: "same-origin", cache: "no-store", signal: stop.signal });
    if (!answer.ok || answer.body === null) {
      const wait_s = Number(answer.headers.get("retry-after"));
      return { status: answer.ok ? 0 : answer.status, wait_ms: wait_s > 0 ? wait_s * 1_000 : null };
    }
    const bytes = answer.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await bytes.read();
      if (done) return { status: 200, wait_ms: reader.retry_ms };
      stillAlive();
      listener.alive();
      for (const event of reader.take(decoder.decode(value, { stream: true }))) listener.event(event);
    }
  };
  read()
    .catch((): StreamEnd => ({ status: 0, wait_ms: null }))
    .then((end) => {
      clearTimeout(limit);
      if (!isClosed) listener.end(end);
    });
  return () => {
    isClosed = true;
    clearTimeout(limit);
    stop.abort();
  };
}
