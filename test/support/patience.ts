/** For `vi.waitFor`: long enough for a machine on which much else runs; what it waits for usually takes a moment. */
export const PATIENCE = { timeout: 60_000 } as const;
