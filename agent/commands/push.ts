import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { errnoOf, messageOf, WasmletError } from '../../base/errors.ts';
import type { ArtifactFormat } from '../../images/artifact-formats.ts';
import { dockerCliConfigs } from '../../images/docker-cli-config.ts';
import { parseReference } from '../../images/index.ts';
import { pushModule, type PushProgress } from '../../images/push.ts';
import { parseDuration } from '../config/duration.ts';
import type { Config } from '../config/schema.ts';
import { humanSize, Progress, titleOf } from './progress.ts';
import { untilInterrupted } from './signals.ts';

export interface PushCommandOptions {
  readonly format: ArtifactFormat;
  readonly annotations: Readonly<Record<string, string>>;
  readonly index: boolean;
  readonly insecure: boolean;
  readonly mountFrom?: string;
  readonly quiet: boolean;
}

/** `wasmlet push`: pushes a module to a registry, and prints 'name@digest' of what the tag stands for now. */
export async function pushCommand(
  config: Config,
  path: string,
  name: string,
  options: PushCommandOptions,
): Promise<void> {
  const { domain, name: repository } = parseReference(name);
  const module = await readModule(path);
  await untilInterrupted(async (signal) => {
    using progress = new Progress();
    const pushed = await pushModule({
      reference: name,
      module,
      artifact: {
        format: options.format,
        fileName: basename(path),
        annotations: options.annotations,
        created: created(process.env['SOURCE_DATE_EPOCH']),
      },
      index: options.index,
      ...(options.mountFrom === undefined ? {} : { mountFrom: options.mountFrom }),
      dockerConfigs: await dockerCliConfigs(domain),
      insecureRegistries: [...config.insecureRegistries, ...(options.insecure ? [domain] : [])],
      progressDeadlineMs: parseDuration(config.imagePullProgressDeadline),
      signal,
      onProgress: (step) => {
        if (!options.quiet) progress.update(shown(step));
      },
    });
    process.stdout.write(`${repository}@${pushed.digest}\n`);
  });
}

async function readModule(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const why = errnoOf(error) === 'ENOENT' ? 'there is no such file' : messageOf(error);
    throw new WasmletError('InvalidArgument', `${path}: ${why}`, { cause: error });
  }
}

/**
 * Part of the digest, so that the same module is the same image whoever pushes it, unless the build says when it was
 * (reproducible-builds.org, SOURCE_DATE_EPOCH: seconds since 1970).
 */
function created(sourceDateEpoch: string | undefined): string {
  const seconds = /^\d{1,11}$/.test(sourceDateEpoch ?? '') ? Number(sourceDateEpoch) : 0;
  return new Date(seconds * 1000).toISOString().replace('.000Z', 'Z');
}

const OUTCOMES = { sent: 'pushed', present: 'is there already', mounted: 'taken from another repository' } as const;

function shown({ digest, mediaType, done, total, state }: PushProgress) {
  const step = { key: digest, title: titleOf(digest, mediaType), done, total };
  return state === 'sending' ? step : { ...step, outcome: `${humanSize(total)} ${OUTCOMES[state]}` };
}
