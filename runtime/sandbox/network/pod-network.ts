import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, WasmletError } from '../../../base/errors.ts';
import { readRecord, writeRecord } from '../../../base/record.ts';
import type { RecordType } from '../../../base/record.ts';
import { bootId } from '../../../base/process.ts';
import { podAddresses } from './addresses.ts';
import { attach, attachmentSchema, check, detach, verifyPlugins } from './attachment.ts';
import type { AttachmentOwner } from './attachment.ts';
import { createNamespace, isNamespace, removeNamespace } from './namespace.ts';

/**
 * <sandbox>/network.json: written before anything is made, so that nothing is without a record, and again with what
 * the plugins have answered; removed when all has been given back.
 */
const podNetworkSchema = z.object({
  containerId: z.string(),
  cniArgs: z.string(),
  netns: z.string(),
  bootId: z.string(),
  binDir: z.string(),
  /** In the order of attaching; the last is the pod's own network. */
  attachments: z.array(attachmentSchema).min(1),
  addresses: z.array(z.string()),
});
export type PodNetworkRecord = Readonly<z.infer<typeof podNetworkSchema>>;
const POD_NETWORK_RECORD: RecordType<PodNetworkRecord> = { kind: 'PodNetwork', version: 1, schema: podNetworkSchema };

const recordPath = (directory: string): string => join(directory, 'network.json');

/** The network of one pod sandbox: a namespace, and what plugins have made in it. */
export class PodNetwork {
  readonly #directory: string;
  #record: PodNetworkRecord;
  /** Whether there may be something to give back. */
  #isMade: boolean;

  /** @param directory the sandbox's folder */
  constructor(directory: string, record: PodNetworkRecord, isMade = false) {
    this.#isMade = isMade;
    this.#directory = directory;
    this.#record = record;
  }

  /** What a sandbox has on disk of its network; undefined: nothing. @throws WasmletError InvalidRecord */
  static async read(directory: string): Promise<PodNetwork | undefined> {
    const record = await readRecord(recordPath(directory), POD_NETWORK_RECORD);
    return record && new PodNetwork(directory, record, true);
  }

  /** Path of the namespace. */
  get netns(): string {
    return this.#record.netns;
  }

  /** The pod's addresses, the first being the one that counts; empty until it is set up. */
  get addresses(): readonly string[] {
    return this.#record.addresses;
  }

  /**
   * Makes the namespace and attaches it. Where it fails, tearDown gives back what was made until then.
   * @param onNamespace called once processes can be started inside
   * @throws WasmletError in containerd's words
   */
  async setUp(onNamespace: () => void): Promise<void> {
    const { containerId } = this.#record;
    await this.#verify();
    await this.#write();
    try {
      await createNamespace(this.netns);
    } catch (error) {
      const message = `failed to create network namespace for sandbox "${containerId}": ${messageOf(error)}`;
      throw new WasmletError('FailedPrecondition', message, { cause: error });
    }
    onNamespace();
    try {
      await this.#attachAll();
    } catch (error) {
      throw networkError(`failed to setup network for sandbox "${containerId}"`, error);
    }
    await this.#write();
  }

  async #verify(): Promise<void> {
    const { containerId, attachments, binDir } = this.#record;
    try {
      for (const attachment of attachments) await verifyPlugins(attachment, binDir);
    } catch (error) {
      throw networkError(`failed to setup network for sandbox "${containerId}"`, error);
    }
    this.#isMade = true;
  }

  async #attachAll(): Promise<void> {
    const attachments = [];
    const owner = await ownerOf(this.#record);
    for (const attachment of this.#record.attachments) {
      attachments.push({ ...attachment, result: await attach(owner, attachment) });
    }
    const last = attachments.at(-1);
    this.#record = { ...this.#record, attachments, addresses: podAddresses(last?.result, last?.ifName ?? '') };
  }

  /** Whether the namespace is still there: a reboot takes it, and an administrator can. */
  async isIntact(): Promise<boolean> {
    return this.#record.bootId === bootId() && this.addresses.length > 0 && (await isNamespace(this.netns));
  }

  /** Asks the plugins whether all stands as they made it. @throws WasmletError with what one complains of */
  async check(): Promise<void> {
    const owner = await ownerOf(this.#record);
    for (const attachment of this.#record.attachments) await check(owner, attachment);
  }

  /**
   * Gives everything back, then forgets it. May be called any number of times, and for what was made in part. No
   * process should run inside any more.
   * @throws WasmletError in containerd's words; nothing is forgotten then, and the next try begins anew
   */
  async tearDown(): Promise<void> {
    if (!this.#isMade) return;
    await destroyNetwork(this.#record);
    await rm(recordPath(this.#directory), { force: true });
  }

  async #write(): Promise<void> {
    await writeRecord(recordPath(this.#directory), POD_NETWORK_RECORD, this.#record);
  }
}

/** A namespace that is gone has no path: plugins then free what they keep elsewhere. */
async function ownerOf({ containerId, cniArgs, binDir, netns }: PodNetworkRecord): Promise<AttachmentOwner> {
  return { containerId, cniArgs, binDir, netns: (await isNamespace(netns)) ? netns : '' };
}

/**
 * Gives back what was attached, last first, and removes the namespace. Idempotent.
 * @throws WasmletError in containerd's words
 */
export async function destroyNetwork(record: PodNetworkRecord): Promise<void> {
  try {
    const owner = await ownerOf(record);
    for (const attachment of record.attachments.toReversed()) await detach(owner, attachment);
    await removeNamespace(record.netns);
  } catch (error) {
    throw networkError(`failed to destroy network for sandbox "${record.containerId}"`, error);
  }
}

const networkError = (what: string, cause: unknown): WasmletError =>
  new WasmletError(
    cause instanceof WasmletError && cause.code === 'DeadlineExceeded' ? 'DeadlineExceeded' : 'FailedPrecondition',
    `${what}: ${messageOf(cause)}`,
    { cause },
  );
