/** What one try of a probe has shown (pkg/probe: Result). What could not be tried is thrown instead. */
export interface ProbeOutcome {
  /** A warning is a success that people should hear of. */
  readonly result: 'success' | 'warning' | 'failure';
  /** What the check said. */
  readonly output: string;
}

export const success = (output = ''): ProbeOutcome => ({ result: 'success', output });
export const failure = (output: string): ProbeOutcome => ({ result: 'failure', output });

/** Bytes of an answer that a probe looks at (pkg/probe/exec and pkg/probe/http: 10KB). */
export const MAX_OUTPUT_BYTES = 10 * 1024;
