/** Leaving a page while somebody types. */

/**
 * Before the page is left, `enter` puts what is still being typed into the outbox, and says whether that may be too late to be sure of
 * it, or whether something stays that cannot be entered: then the browser asks the person. Returns how to stop.
 */
export function onLeaving(enter: () => boolean): () => void {
  const ask = (event: BeforeUnloadEvent): void => {
    // Chrome before 119 looks at nothing else.
    if (enter()) event.returnValue = "typed";
  };
  addEventListener("beforeunload", ask);
  return () => removeEventListener("beforeunload", ask);
}
