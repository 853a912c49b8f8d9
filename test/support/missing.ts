import { WasmletError } from '../../base/errors.ts';

/**
 * What a test does without a tool that it needs: it is skipped, and says why. On CI it fails instead, for there nobody
 * would see that it has not run.
 * @param skip of the test's context
 * @param why the tool is not there
 * @throws WasmletError FailedPrecondition on CI; elsewhere what ends a test as skipped
 */
export function skipWithout(skip: (why: string) => void, why: string): void {
  failOnCi(why);
  skip(why);
}

/** @throws WasmletError FailedPrecondition on CI */
export function failOnCi(why: string): void {
  if (process.env['CI']) throw new WasmletError('FailedPrecondition', `on CI nothing may be skipped: ${why}`);
}
