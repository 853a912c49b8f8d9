import { WasmletError } from '../../base/errors.ts';

/** A layer that is not as it should be; the caller adds which layer of which image. */
export function layerError(message: string, cause?: unknown): WasmletError {
  return new WasmletError('ErrImagePull', message, { cause });
}
