import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';

/** A file of the page. */
export interface Asset {
  readonly type: string;
  readonly body: string;
}

const isSource = import.meta.filename.endsWith('.ts');
const FOLDER = join(import.meta.dirname, isSource ? 'page' : 'local-page');

const text = (name: string): Promise<string> => readFile(join(FOLDER, name), 'utf8');

/** The files of the page, by path. The program is TypeScript in the repository, JavaScript in what is published. */
export async function readAssets(): Promise<ReadonlyMap<string, Asset>> {
  const program = isSource ? stripTypeScriptTypes(await text('app.ts')) : await text('app.js');
  return new Map([
    ['/', { type: 'text/html; charset=utf-8', body: await text('index.html') }],
    ['/style.css', { type: 'text/css; charset=utf-8', body: await text('style.css') }],
    ['/app.js', { type: 'text/javascript; charset=utf-8', body: program }],
  ]);
}
