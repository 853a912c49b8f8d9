import { stringify } from 'yaml';
import { redact } from '../../base/log.ts';
import type { Config } from '../config/schema.ts';

/** `wasmlet config`: prints the configuration that would be used, without secrets. */
export function configCommand(config: Config, output: 'yaml' | 'json'): void {
  const printable = redact(config);
  process.stdout.write(output === 'json' ? `${JSON.stringify(printable, null, 2)}\n` : stringify(printable));
}
