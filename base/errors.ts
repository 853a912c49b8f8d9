/**
 * Every error code that wasmlet's own code throws, with its meaning. docs/reference/errors.md lists the same; a test
 * holds the two together. Codes are told apart by what the caller can do, not by the class of the error.
 */
export const ERROR_CODES = {
  // anywhere
  Cancelled: 'The work was given up because its owner ended it.',
  DeadlineExceeded: 'Something outside did not answer in the time allowed.',
  Internal: 'A fault in wasmlet itself.',
  InvalidArgument: 'A value that a caller gave is not of the form required.',
  NotFound: 'The thing named does not exist.',
  AlreadyExists: 'A thing of this name exists already.',
  FailedPrecondition: 'The thing exists, but its present state does not allow what was asked.',
  ResourceExhausted: 'All that there is of something is in use; once some is given back, trying again helps.',
  Unavailable: 'A part that is needed cannot be reached now; trying again may help.',
  // configuration
  InvalidConfig: 'The configuration (flag, file or environment) is not valid.',
  // images
  InvalidImageName: 'An image reference does not parse.',
  ErrImagePull: 'An image could not be pulled: not found, denied, or not what it should be.',
  RegistryUnavailable: 'The registry could not be reached or answered with a server error.',
  ImageNotRunnable: 'The image holds no Wasm module that this node can run.',
  // records on disk
  InvalidRecord: 'A record on disk cannot be read: damaged, or written by an incompatible release.',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** The one base error: a literal `code` to act upon, a message that says what to do, and the `cause`. */
export class WasmletError extends Error {
  readonly code: ErrorCode;

  /**
   * @param code what kind of failure this is, for code that must decide
   * @param message names the thing that failed and what to do about it, for people
   * @param options `cause`: the error beneath
   */
  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'WasmletError';
    this.code = code;
  }
}

/** Whether an error is a WasmletError with one of the codes given. */
export function hasCode(error: unknown, ...codes: ErrorCode[]): error is WasmletError {
  return error instanceof WasmletError && codes.includes(error.code);
}

/** The text of anything thrown, for messages: never a stack. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join('; ');
  return error instanceof Error ? error.message : String(error);
}

/** Node's `code` of a system error ('ENOENT', 'EEXIST', …), or undefined for any other thing thrown. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** For a promise's `catch`: undefined where a file or folder is not there. @throws every other error as it is */
export function ignoreMissing(error: unknown): undefined {
  if (errnoOf(error) !== 'ENOENT') throw error;
}
