/** For `vi.waitFor` and `expect.poll`: long enough for a machine on which much else runs; what it waits for usually takes a moment. */
export const PATIENCE = { timeout: 120_000 } as const;
