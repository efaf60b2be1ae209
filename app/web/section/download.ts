/** Files that a teacher takes along, made here, also offline: what is not sent yet, and how any file gets into the downloads. */
import type { Outbox } from "@inkfast/outbox";
import { rescue } from "@inkfast/outbox/rescue";
// Whoever can download has the status line already: the build cuts no piece off for this.
import "./status_line.tsx";

/** Put a file into the person's downloads. */
export function download(name: string, type: string, text: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Everything that the server has not recorded: `inkfast rescue import` reads it, and so does the home page. */
export async function downloadRescue(outbox: Outbox): Promise<void> {
  const file = await rescue(outbox);
  download(`inkfast-not-sent-${file.made_at.slice(0, 10)}.json`, "application/json", JSON.stringify(file, null, 1));
}
