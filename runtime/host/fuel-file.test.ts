import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { testFolder } from '../test-folder.ts';
import { FuelFile, readFuel } from './fuel-file.ts';

test('what a host notes is read, and all else is as if it had noted nothing: others are asked for too', () => {
  using folder = testFolder();
  expect(readFuel(folder.path)).toBeUndefined();
  using file = new FuelFile(folder.path);
  file.write(12_345);
  expect(readFuel(folder.path)).toBe(12_345);
  writeFileSync(join(folder.path, 'fuel'), 'none');
  expect(readFuel(folder.path)).toBeUndefined();
  truncateSync(join(folder.path, 'fuel'), 1024 ** 3);
  expect(readFuel(folder.path)).toBeUndefined();
});
