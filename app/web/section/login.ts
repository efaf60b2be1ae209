/** Signing in, as the server is told. Apart from the session, for few pages ever do it. */
import { SESSION, answer, take, type Person } from "./session.ts";

export type SignInAnswer =
  | { readonly is: "signed_in"; readonly person: Person }
  | { readonly is: "wrong_password" | "unreachable" }
  | { readonly is: "wait"; readonly seconds: number };

export async function signIn(username: string, password: string): Promise<SignInAnswer> {
  try {
    const response = await answer(SESSION, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ username, password }),
    }, null);
    if (response.status === 200) {
      // The grant is in a cookie that no script can read; the copy in the answer is for clients without cookies.
      const { grant: _, ...who } = (await response.json()) as Person & { grant?: string };
      take(who);
      return { is: "signed_in", person: who };
    }
    if (response.status === 401 || response.status === 422) return { is: "wrong_password" };
    if (response.status === 429 || response.status === 503) {
      return { is: "wait", seconds: Math.max(1, Number(response.headers.get("retry-after")) || 5) };
    }
    return { is: "unreachable" };
  } catch {
    return { is: "unreachable" };
  }
}
