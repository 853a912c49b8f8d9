import { WasmletError } from '../../base/errors.ts';
import { isSettledWithin } from '../../base/within.ts';

/** Has those who ask while an answer is being found wait for that one: a second scrape costs nothing. */
export class Shared<T> {
  readonly #find: () => Promise<T>;
  #underWay: Promise<T> | undefined;

  constructor(find: () => Promise<T>) {
    this.#find = find;
  }

  get(): Promise<T> {
    this.#underWay ??= this.#find().finally(() => (this.#underWay = undefined));
    return this.#underWay;
  }
}

/**
 * Waits no longer than so; what was begun goes on.
 * @throws WasmletError DeadlineExceeded
 */
export async function within<T>(milliseconds: number, what: string, awaited: Promise<T>): Promise<T> {
  if (await isSettledWithin(awaited, milliseconds)) return await awaited;
  throw new WasmletError('DeadlineExceeded', `${what}: no answer in ${milliseconds} ms`);
}
