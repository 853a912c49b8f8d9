/**
 * For every undici dispatcher: undici 8.12 lets the errors of some HTTP/2 streams go unhandled when the other side
 * closes, which would end the process (docs/RATIONALE.md).
 */
export const HTTP1 = { allowH2: false } as const;
