import { randomBytes, timingSafeEqual } from 'node:crypto';

const TOKEN_BYTES = 32;
/** A session is a browser's until it is closed, and no longer than this. */
const SESSION_MS = 12 * 60 * 60_000;
const MAX_SESSIONS = 100;

const newToken = (): string => randomBytes(TOKEN_BYTES).toString('base64url');

function isSame(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

/** Who may see the page: whoever has opened a link, each of which works once. */
export class Access {
  #token = newToken();
  readonly #sessions = new Map<string, number>();
  readonly #now: () => number;
  readonly #onToken: (token: string) => void;

  /**
   * @param onToken called with each token that works from now on, the first one at once
   * @param now milliseconds since some origin, never going back; for tests
   */
  constructor(onToken: (token: string) => void, now: () => number = () => performance.now()) {
    this.#onToken = onToken;
    this.#now = now;
    onToken(this.#token);
  }

  /** @returns a session's secret, or undefined: the token is wrong, or was used */
  redeem(token: string): string | undefined {
    if (!isSame(token, this.#token)) return undefined;
    this.#token = newToken();
    this.#onToken(this.#token);
    const [oldest] = this.#sessions.keys();
    if (oldest !== undefined && this.#sessions.size >= MAX_SESSIONS) this.#sessions.delete(oldest);
    const session = newToken();
    this.#sessions.set(session, this.#now() + SESSION_MS);
    return session;
  }

  isSession(session: string): boolean {
    const until = this.#sessions.get(session);
    return until !== undefined && until > this.#now();
  }
}
