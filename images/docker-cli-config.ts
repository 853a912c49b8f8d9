import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { errnoOf, messageOf, WasmletError } from '../base/errors.ts';
import { parseDockerConfigJson } from './docker-config.ts';
import type { DockerConfig, RegistryAuth } from './service.ts';

/** What of a Docker CLI's config.json is not about one registry's credentials. */
const helpersSchema = z.object({
  credsStore: z.string().optional(),
  credHelpers: z.record(z.string(), z.string()).optional(),
});

const answerSchema = z.object({ Username: z.string(), Secret: z.string() });

/** A helper that asks a person, or a key chain, gets so long. */
const HELPER_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 1024 * 1024;
/** docker-credential-helpers: the secret is an identity token. */
const TOKEN_USER = '<token>';
/** How Docker calls Docker Hub in its files and to its helpers. */
const DOCKER_HUB = 'https://index.docker.io/v1/';

/**
 * The credentials that the person at this machine has for a registry, as the Docker CLI, crane and oras find them: the
 * helper of config.json that is named for it, then what the file itself has, then the default helper.
 * @param domain the registry, as in a reference
 * @param env DOCKER_CONFIG names the folder of config.json, REGISTRY_AUTH_FILE a file in its place
 * @throws WasmletError InvalidArgument for a file that is none; FailedPrecondition for a helper that fails
 */
export async function dockerCliConfigs(
  domain: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<readonly DockerConfig[]> {
  const path = env['REGISTRY_AUTH_FILE'] ?? join(env['DOCKER_CONFIG'] ?? join(homedir(), '.docker'), 'config.json');
  const text = await readIfThere(path);
  if (text === undefined) return [];
  try {
    const own = parseDockerConfigJson(text);
    const { credHelpers = {}, credsStore } = helpersSchema.parse(JSON.parse(text));
    const server = domain === 'docker.io' ? DOCKER_HUB : domain;
    const named = credHelpers[server] ?? credHelpers[domain];
    const helped = async (helper: string | undefined) => {
      const auth = helper === undefined ? undefined : await askHelper(helper, server, env);
      return auth === undefined ? [] : [{ [domain]: auth }];
    };
    // With a default helper the file's own entries are empty: they only tell where one has logged in.
    const written = Object.fromEntries(Object.entries(own).filter(([, auth]) => Object.keys(auth).length > 0));
    return [...(await helped(named)), written, ...(named === undefined ? await helped(credsStore) : [])];
  } catch (error) {
    if (error instanceof WasmletError && error.code === 'FailedPrecondition') throw error;
    throw new WasmletError('InvalidArgument', `${path}: ${messageOf(error)}`, { cause: error });
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw new WasmletError('InvalidArgument', `${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/** Docker's protocol: `docker-credential-NAME get`, the server on stdin, JSON on stdout. */
async function askHelper(
  helper: string,
  server: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<RegistryAuth | undefined> {
  const program = `docker-credential-${helper}`;
  const failed = (why: string) =>
    new WasmletError('FailedPrecondition', `the credential helper ${program} did not answer for ${server}: ${why}`);
  if (!/^[A-Za-z0-9_.-]+$/.test(helper)) throw failed('that is not a name of a program');
  const { code, output } = await runHelper(program, server, env).catch((error: unknown) => {
    throw failed(messageOf(error));
  });
  if (code !== 0) {
    if (/credentials not found/i.test(output)) return undefined;
    throw failed(output.trim().slice(0, 300) || `exit code ${code}`);
  }
  const answer = answerSchema.safeParse(parseJson(output)).data;
  if (!answer) throw failed('its answer is not of the form expected');
  const { Username: username, Secret: secret } = answer;
  return username === TOKEN_USER ? { identityToken: secret } : { username, password: secret };
}

async function runHelper(program: string, input: string, env: Readonly<Record<string, string | undefined>>) {
  const child = spawn(program, ['get'], { env, stdio: ['pipe', 'pipe', 'ignore'], timeout: HELPER_TIMEOUT_MS });
  const { promise: ended, resolve, reject } = Promise.withResolvers<number>();
  child.once('error', reject).once('close', (code) => resolve(code ?? -1));
  child.stdin.on('error', () => undefined).end(input);
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString('utf8');
    if (output.length > MAX_ANSWER_BYTES) child.kill('SIGKILL');
  });
  return { code: await ended, output };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
