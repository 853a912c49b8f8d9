import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ARCHITECTURES } from './numbers.ts';
import type { SystemCall } from './numbers.ts';

/** The kernel's own headers (Debian: linux-libc-dev). */
const HEADERS = {
  x64: '/usr/include/x86_64-linux-gnu/asm/unistd_64.h',
  arm64: '/usr/include/asm-generic/unistd.h',
};

/** Those of the header that are in the table, as [name, number in the header, number in the table]. */
function compared(arch: keyof typeof HEADERS): (readonly [string, number, number | null])[] {
  const lines = readFileSync(HEADERS[arch], 'utf8').matchAll(/^#define __NR_(\w+)\s+(\d+)$/gm);
  return [...lines].flatMap(([, name = '', number]) => {
    const known = numberIn(arch, name);
    return known === undefined ? [] : [[name, Number(number), known] as const];
  });
}

function numberIn(arch: string, name: string): number | null | undefined {
  try {
    return ARCHITECTURES[arch]?.numberOf(name as SystemCall);
  } catch {
    // Not in the table.
    return undefined;
  }
}

describe.each(['x64', 'arm64'] as const)('numbers of %s', (arch) => {
  test.runIf(existsSync(HEADERS[arch]))("are those of the kernel's headers", () => {
    const all = compared(arch);
    expect(all.length).toBeGreaterThan(80);
    for (const [name, inHeader, inTable] of all) expect([name, inTable]).toEqual([name, inHeader]);
  });
});
