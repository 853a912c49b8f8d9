import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { debianPackages } from './packages.ts';

/** Debian's folder for libraries of this machine's architecture. */
const LIBRARIES = join(
  'usr/lib',
  { x64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' }[process.arch as string] ?? '',
);
/** Where some packages keep libraries of theirs. */
const OWN_LIBRARIES = ['', 'pulseaudio', 'blas', 'lapack'];
/** It is a test's, and is to speak to nobody but that. */
const ARGS = [
  ...['--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--no-proxy-server'],
];
const START_TIMEOUT_MS = 120_000;

const unpacked = () =>
  debianPackages({
    name: 'chromium',
    start: ['chromium'],
    along: /^(lib|fonts-liberation|fontconfig-config|chromium-common)/,
    size: '180 MB',
  });

/** Starts a real Chromium without a window. @throws WasmletError where Debian's package cannot be had */
export async function startChromium(): Promise<Browser> {
  const root = await unpacked();
  const libraries = OWN_LIBRARIES.map((folder) => join(root, LIBRARIES, folder));
  return chromium.launch({
    executablePath: join(root, 'usr/lib/chromium/chromium'),
    args: [...ARGS],
    // Root has no sandbox of Chromium's.
    chromiumSandbox: process.getuid?.() !== 0,
    env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') },
    timeout: START_TIMEOUT_MS,
  });
}
