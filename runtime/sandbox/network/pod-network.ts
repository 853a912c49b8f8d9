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
import type { NamespaceUse } from './namespace-use.ts';
import { isNamespace } from './namespace.ts';
import { loopbackOf, sharedPlaceSchema } from './shared-namespaces.ts';

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
  /** Its place where other sandboxes are in the namespace too; absent: it is this one's alone. */
  shared: sharedPlaceSchema.exactOptional(),
});
export type PodNetworkRecord = Readonly<z.infer<typeof podNetworkSchema>>;
const POD_NETWORK_RECORD: RecordType<PodNetworkRecord> = { kind: 'PodNetwork', version: 1, schema: podNetworkSchema };

const recordPath = (directory: string): string => join(directory, 'network.json');

/** What the sockets of a pod's guests are kept to where other pods are in the network namespace too. */
export interface GuestAddresses {
  readonly addresses: readonly string[];
  /** What stands for the pod's loopback. */
  readonly loopback: string;
}

/** What a sandbox has on disk of its network; undefined: nothing. @throws WasmletError InvalidRecord */
export const readNetworkRecord = (directory: string): Promise<PodNetworkRecord | undefined> =>
  readRecord(recordPath(directory), POD_NETWORK_RECORD);

/** Where nothing can wait for work inside. */
const nobodyWaits = (): Promise<void> => Promise.resolve();

/** The network of one pod sandbox: a namespace, or a place in one, and what plugins have made there. */
export class PodNetwork {
  readonly #directory: string;
  readonly #namespace: NamespaceUse;
  #record: PodNetworkRecord;
  /** Whether there may be something to give back. */
  #isMade: boolean;

  /**
   * @param directory the sandbox's folder
   * @param isMade whether it is on disk: there may be something to give back
   */
  constructor(directory: string, record: PodNetworkRecord, namespace: NamespaceUse, isMade = false) {
    this.#isMade = isMade;
    this.#directory = directory;
    this.#record = record;
    this.#namespace = namespace;
  }

  /** Path of the namespace. */
  get netns(): string {
    return this.#record.netns;
  }

  /** The pod's addresses, the first being the one that counts; empty until it is set up. */
  get addresses(): readonly string[] {
    return this.#record.addresses;
  }

  /** undefined: the namespace is the pod's alone, and its guests may have all that is there. */
  get guestAddresses(): GuestAddresses | undefined {
    const { shared, addresses } = this.#record;
    return shared && { addresses, loopback: loopbackOf(shared.slot) };
  }

  /**
   * Makes the namespace, if it is not there for others, and attaches it. Where it fails, tearDown gives back what was
   * made until then.
   * @param onNamespace called once processes can be started inside, if it is new
   * @throws WasmletError in containerd's words
   */
  async setUp(onNamespace: () => void): Promise<void> {
    const { containerId } = this.#record;
    await this.#verify();
    await this.#write();
    let isNew;
    try {
      isNew = await this.#namespace.open();
    } catch (error) {
      const message = `failed to create network namespace for sandbox "${containerId}": ${messageOf(error)}`;
      throw new WasmletError('FailedPrecondition', message, { cause: error });
    }
    if (isNew) onNamespace();
    try {
      await this.#attachAll();
      await this.#namespace.attached(this.addresses, containerId);
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
   * process of the pod should run inside any more.
   * @param vacate ends the processes inside that wait for work, where the namespace is to go
   * @throws WasmletError in containerd's words; nothing is forgotten then, and the next try begins anew
   */
  async tearDown(vacate = nobodyWaits): Promise<void> {
    try {
      if (this.#isMade) await this.#detach(vacate);
      await this.#namespace.close(vacate);
    } catch (error) {
      throw networkError(`failed to destroy network for sandbox "${this.#record.containerId}"`, error);
    }
  }

  async #detach(vacate: () => Promise<void>): Promise<void> {
    await this.#namespace.detaching(vacate);
    await detachAll(this.#record);
    // From here on its place may be another's, so this is never done again.
    await rm(recordPath(this.#directory), { force: true });
    this.#isMade = false;
  }

  async #write(): Promise<void> {
    await writeRecord(recordPath(this.#directory), POD_NETWORK_RECORD, this.#record);
  }
}

/** A namespace that is gone has no path: plugins then free what they keep elsewhere. */
async function ownerOf({ containerId, cniArgs, binDir, netns }: PodNetworkRecord): Promise<AttachmentOwner> {
  return { containerId, cniArgs, binDir, netns: (await isNamespace(netns)) ? netns : '' };
}

/** Gives back what was attached, last first. Idempotent. @throws WasmletError as `detach` */
export async function detachAll(record: PodNetworkRecord): Promise<void> {
  const owner = await ownerOf(record);
  for (const attachment of record.attachments.toReversed()) await detach(owner, attachment);
}

const networkError = (what: string, cause: unknown): WasmletError =>
  new WasmletError(
    cause instanceof WasmletError && cause.code === 'DeadlineExceeded' ? 'DeadlineExceeded' : 'FailedPrecondition',
    `${what}: ${messageOf(cause)}`,
    { cause },
  );
