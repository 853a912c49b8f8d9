import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { WasmletError } from '../base/errors.ts';

/** A package's folder at the beginning of the path of one of its files. */
const PACKAGE_FOLDER = /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/;

/**
 * The licences of all packages that a bundle contains: most of them must be handed on with the code.
 * @param inputs paths of the files in it, relative to the repository (esbuild's metafile)
 * @throws WasmletError FailedPrecondition when a package comes without a licence's text
 */
export async function licensesOf(repository: string, inputs: Iterable<string>): Promise<string> {
  const folders = new Set(
    [...inputs].map((input) => PACKAGE_FOLDER.exec(input)?.[0]).filter((one) => one !== undefined),
  );
  const notices = await Promise.all([...folders].map((folder) => notice(join(repository, folder))));
  return [...new Set(notices)].toSorted().join(`\n${'-'.repeat(80)}\n\n`);
}

async function notice(folder: string): Promise<string> {
  const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    readonly name: string;
    readonly version: string;
    readonly license: string;
  };
  const files = (await readdir(folder)).filter((file) => /^(licen[cs]e|notice|copying)/i.test(file)).toSorted();
  if (files.length === 0) {
    throw new WasmletError('FailedPrecondition', `${name} has no licence text: it cannot be published in a bundle`);
  }
  const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
  return `${name} ${version} (${license})\n\n${texts.map((text) => text.trim()).join('\n\n')}\n`;
}
