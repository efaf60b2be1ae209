/** `@inkfast/outbox/receipt`: for pages that show receipts. */

/** The short form of a receipt, for the telephone: 40 bits of its mark in Crockford's base 32. Empty for what is no receipt. */
export function shortForm(receipt: string): string {
  try {
    const raw = atob(receipt.slice(3).replace(/-/g, "+").replace(/_/g, "/"));
    let number = 0;
    for (let i = 60; i < 65; i++) number = number * 256 + raw.charCodeAt(i);
    const letters = number.toString(32).padStart(8, "0").replace(/./g, (d) => "0123456789ABCDEFGHJKMNPQRSTVWXYZ"[parseInt(d, 32)]!);
    return raw.length === 76 ? `${letters.slice(0, 4)}-${letters.slice(4)}` : "";
  } catch {
    return "";
  }
}
