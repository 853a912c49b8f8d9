import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { z } from 'zod';
import { WasmletError } from '../../base/errors.ts';
import type { ExecPlugin } from './kubeconfig.ts';

/** What a credential plugin answers: a token, or a certificate with its key (PEM). */
export interface ExecAnswer {
  readonly token?: string | undefined;
  readonly clientCertificateData?: string | undefined;
  readonly clientKeyData?: string | undefined;
}

/** The answers of one plugin, each used until it expires. */
export interface ExecCredentials {
  /** @throws the system's error when the plugin cannot be run or fails; ZodError when its answer is malformed */
  get(): Promise<ExecAnswer>;
}

const TIMEOUT_MS = 30_000;
const MAX_OUTPUT_BYTES = 1024 ** 2;

const answerSchema = z.object({
  apiVersion: z.string(),
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.string().nullish(),
  }),
});

/** Runs a client-go credential plugin (KEP-541), never asking for input. */
export function createExecCredentials({ apiVersion, command, args, env }: ExecPlugin): ExecCredentials {
  const run = promisify(execFile);
  let answer: ExecAnswer = {};
  let expiresAt = -Infinity;
  return {
    async get() {
      if (Date.now() < expiresAt) return answer;
      const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } };
      const { stdout } = await run(command, [...args], {
        timeout: TIMEOUT_MS,
        maxBuffer: MAX_OUTPUT_BYTES,
        env: {
          ...process.env,
          ...Object.fromEntries(env.map(({ name, value }) => [name, value])),
          KUBERNETES_EXEC_INFO: JSON.stringify(info),
        },
      });
      const parsed = answerSchema.parse(JSON.parse(stdout));
      if (parsed.apiVersion !== apiVersion) {
        throw new WasmletError(
          'InvalidConfig',
          `plugin ${command} answered in ${parsed.apiVersion}, not ${apiVersion}`,
        );
      }
      const { expirationTimestamp, ...rest } = parsed.status;
      expiresAt = expirationTimestamp ? Date.parse(expirationTimestamp) : Infinity;
      return (answer = rest);
    },
  };
}
