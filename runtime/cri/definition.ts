import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

/** Published, the file stands beside the bundle that this code is in. */
const isSource = import.meta.url.endsWith('.ts');
const PROTO = join(dirname(fileURLToPath(import.meta.url)), isSource ? 'api.proto' : 'cri.proto');

/** The services of CRI v1, each as grpc-js wants it. */
export interface CriDefinition {
  readonly runtimeService: ServiceDefinition;
  readonly imageService: ServiceDefinition;
}

/** Reads api.proto. Numbers of 64 bits are read as JavaScript's: none that a kubelet sends is above 2^53. */
export function loadDefinition(): CriDefinition {
  const definition = loadSync(PROTO, { longs: Number, enums: String, defaults: true });
  const service = (name: string) => definition[`runtime.v1.${name}`] as CriDefinition['runtimeService'];
  return { runtimeService: service('RuntimeService'), imageService: service('ImageService') };
}
