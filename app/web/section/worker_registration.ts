/** The service worker is registered when the page has been painted, and never makes a page load itself anew. */
import { watched } from "./watched.ts";

/** A newer version of the pages is on this computer; this one is complete, and goes on. */
export const isNewVersionThere = watched(false);

/**
 * This browser has no worker for these pages (a private window, an address without TLS): what a page fetches when it is wanted is
 * fetched at once instead, or it would not be there without a network.
 */
export const isWithoutWorker = watched(false);

export function registerWorker(): void {
  if (!("serviceWorker" in navigator)) {
    isWithoutWorker.value = true;
    return;
  }
  const register = (): void => void registered();
  if (document.readyState === "complete") setTimeout(register, 0);
  else window.addEventListener("load", () => setTimeout(register, 0), { once: true });
}

async function registered(): Promise<void> {
  try {
    const isFirst = navigator.serviceWorker.controller === null;
    const registration = await navigator.serviceWorker.register("/app/sw.js", { scope: "/app/", updateViaCache: "none" });
    navigator.serviceWorker.addEventListener("controllerchange", () => {
      // The very first worker serves the version that this page is of.
      isNewVersionThere.value = !isFirst || isNewVersionThere.value;
    });
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) void registration.update().catch(() => undefined);
    });
    // A worker claims the pages that are there when it becomes active, and none that is on its way (nor one that was loaded past
    // it): such a page would not find the files that it fetches later without a network.
    const { active } = await navigator.serviceWorker.ready;
    if (navigator.serviceWorker.controller === null) active?.postMessage(null);
  } catch {
    // The pages need the network then, and say so on the page of compatibility.
    isWithoutWorker.value = true;
  }
}
