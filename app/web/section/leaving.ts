/** Leaving a page while somebody types. */

const EVENTS = ["beforeunload", "pagehide", "visibilitychange"];

/**
 * Before the page is left or hidden, and before the outbox looks at what it has, `enter` puts what is still being typed into it. It
 * says whether that may be too late to be sure of it, or whether something stays that cannot be entered: then, where the page is
 * left, the browser asks the person. Returns how to stop.
 */
export function onLeaving(enter: () => boolean): () => void {
  const leave = (event: Event): void => {
    // Chrome before 119 asks for nothing else.
    if (enter() && event.type === "beforeunload") (event as BeforeUnloadEvent).returnValue = "typed";
  };
  for (const event of EVENTS) addEventListener(event, leave, true);
  return () => {
    for (const event of EVENTS) removeEventListener(event, leave, true);
  };
}
