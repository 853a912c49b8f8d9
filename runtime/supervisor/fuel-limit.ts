import { WasmletError } from '../../base/errors.ts';
import type { ContainerOwner } from './container-owner.ts';

/** The pod's annotation for a container: what its guest may compute at the most, in instructions of WebAssembly. */
const fuelLimitAnnotation = (container: string): string => `fuel-limit.wasmlet.dev/${container}`;

/** @throws WasmletError InvalidArgument for what is no number; FailedPrecondition for an engine that does not count */
export function fuelLimitOf(owner: ContainerOwner, container: string): number | undefined {
  const annotation = fuelLimitAnnotation(container);
  const text = owner.annotations?.[annotation];
  if (text === undefined) return undefined;
  const limit = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(limit)) {
    throw new WasmletError('InvalidArgument', `annotation ${annotation}: ${JSON.stringify(text)} is no whole number`);
  }
  if (owner.engine === 'interpreter') return limit;
  throw new WasmletError(
    'FailedPrecondition',
    `annotation ${annotation} needs an engine that counts: run the pod with runtimeClassName wasm-interpreter`,
  );
}
