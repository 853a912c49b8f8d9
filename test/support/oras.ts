import { messageOf } from '../../base/errors.ts';
import { runOrThrow, type CommandResult } from './command.ts';
import { pythonPackage, type PythonPackage } from './packages.ts';

/** The SDK of ORAS, and what it needs: all of it without native code, and so the same on every machine. */
const ORAS: PythonPackage = {
  name: 'oras',
  version: '0.2.43',
  sha256: ['bf295b1cfb5017f579c35c3394c7a71707f6aff463cb6699d5d191a6d8b56ea6'],
  size: '1 MB',
  needs: [
    {
      name: 'requests',
      version: '2.34.2',
      sha256: ['2a0d60c172f83ac6ab31e4554906c0f3b3588d37b5cb939b1c061f4907e278e0'],
    },
    { name: 'urllib3', version: '2.8.0', sha256: ['0cf3cae568d36aa9576b28dfb35f11328f1cb974ca7647d9475ebb86c75ac6e3'] },
    {
      name: 'certifi',
      version: '2026.10.18',
      sha256: ['73191c47aaa79da394e8fee2dbc2ec827432cab56311122c9e47abf79e390f62'],
    },
    { name: 'idna', version: '3.20', sha256: ['ab7ae7122974553370f0bdb919e1a960b2cd1bc1ef0276416d896db81c14582c'] },
    {
      name: 'charset-normalizer',
      version: '3.5.2',
      sha256: ['b6b751274acb69d77b3323d6b7dbaa3c7fdfc1eb829b7eb61d262f32e1af9685'],
    },
    // The last without native code.
    {
      name: 'jsonschema',
      version: '4.17.3',
      sha256: ['a870ad254da1a8ca84b6a2905cac29d265f805acc57af304784962a2aa6508f6'],
    },
    {
      name: 'pyrsistent',
      version: '0.20.0',
      sha256: ['c55acc4733aad6560a7f5f818466631f07efc001fd023f34a6c203f8b6df0f0b'],
    },
    { name: 'attrs', version: '26.1.0', sha256: ['c647aa4a12dfbad9333ca4e71fe62ddc36f4e63b2d260a37a8b83d2f043ac309'] },
  ],
};

export interface Oras {
  /** Runs a program in Python that may `import oras.client`. */
  readonly python: (program: string, ...args: readonly string[]) => Promise<CommandResult>;
}

/** The SDK of ORAS, installed into the cache folder; or why it is not to be had. */
export async function findOras(): Promise<Oras | { readonly missing: string }> {
  try {
    const env = { ...process.env, PYTHONPATH: await pythonPackage(ORAS) };
    return { python: (program, ...args) => runOrThrow('python3', ['-c', program, ...args], { env }) };
  } catch (error) {
    return { missing: `the SDK of ORAS cannot be installed: ${messageOf(error)}` };
  }
}
