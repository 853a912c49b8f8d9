import { closeSync, constants, openSync, statSync } from 'node:fs';
import { O_PATH } from '../../../base/open-within.ts';
import { systemCall, SystemCallError } from './call.ts';

/** Landlock (landlock(7), linux/landlock.h): what a process and all that it becomes may do with files, for good. */

const EXECUTE = 1n << 0n;
const WRITE_FILE = 1n << 1n;
const READ_FILE = 1n << 2n;
const READ_DIR = 1n << 3n;
const REMOVE_DIR = 1n << 4n;
const REMOVE_FILE = 1n << 5n;
const MAKE_CHAR = 1n << 6n;
const MAKE_DIR = 1n << 7n;
const MAKE_REG = 1n << 8n;
const MAKE_SOCK = 1n << 9n;
const MAKE_FIFO = 1n << 10n;
const MAKE_BLOCK = 1n << 11n;
const MAKE_SYM = 1n << 12n;
const REFER = 1n << 13n;
const TRUNCATE = 1n << 14n;
const IOCTL_DEV = 1n << 15n;

const SCOPE_ABSTRACT_UNIX_SOCKET = 1n << 0n;
const SCOPE_SIGNAL = 1n << 1n;

const ALL =
  EXECUTE | WRITE_FILE | READ_FILE | READ_DIR | REMOVE_DIR | REMOVE_FILE | MAKE_CHAR | MAKE_DIR | MAKE_REG | MAKE_SOCK;
const ALL_OF_FIRST = ALL | MAKE_FIFO | MAKE_BLOCK | MAKE_SYM;

/** Rights that mean something on a file; the others are for folders. */
const ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV;

/** What a host may do with what stands at a path and below. */
export const RIGHTS = {
  /** A program, or the libraries of one. */
  execute: EXECUTE | READ_FILE,
  read: READ_FILE | READ_DIR,
  /** Files, folders and links; no devices, sockets or named pipes, and nothing of it is executed. */
  write:
    READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | MAKE_DIR | MAKE_SYM | (REMOVE_FILE | REMOVE_DIR | REFER),
  /** Plain files only, in place: no link that would lead whoever reads them as root astray. */
  writeFiles: READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_REG | REMOVE_FILE,
} as const;

export type Rights = keyof typeof RIGHTS;

const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;

/** The first that can allow a rename from one folder to another (Linux 5.19). */
export const LEAST_ABI = 2;
const ABI_TRUNCATE = 3;
const ABI_IOCTL_DEV = 5;
const ABI_SCOPES = 6;

/** The kernel's version of Landlock; 0: it has none, or it was not switched on at boot (`lsm=`). */
export function landlockAbi(): number {
  try {
    return systemCall('landlock_create_ruleset', 0, 0, CREATE_RULESET_VERSION);
  } catch (error) {
    if (error instanceof SystemCallError) return 0;
    throw error;
  }
}

/** Whether signals and abstract sockets stay within a process (Linux 6.12). */
export const hasScopes = (abi: number): boolean => abi >= ABI_SCOPES;

function handledRights(abi: number): bigint {
  let handled = ALL_OF_FIRST | REFER;
  if (abi >= ABI_TRUNCATE) handled |= TRUNCATE;
  if (abi >= ABI_IOCTL_DEV) handled |= IOCTL_DEV;
  return handled;
}

/** A set of rules, as a descriptor that processes can be given to restrict themselves by. */
export class Ruleset implements Disposable {
  readonly fd: number;
  readonly #handled: bigint;

  /**
   * @param abi at least LEAST_ABI
   * @throws SystemCallError
   */
  constructor(abi: number) {
    this.#handled = handledRights(abi);
    const attributes = Buffer.alloc(hasScopes(abi) ? 24 : 8);
    attributes.writeBigUInt64LE(this.#handled, 0);
    // Of the network (bytes 8 to 15) nothing: its rules know ports and no addresses.
    if (hasScopes(abi)) attributes.writeBigUInt64LE(SCOPE_ABSTRACT_UNIX_SOCKET | SCOPE_SIGNAL, 16);
    this.fd = systemCall('landlock_create_ruleset', attributes, attributes.length, 0);
  }

  /**
   * Allows something with what is at a path now, also after it was moved, and with what is or will be beneath.
   * @throws system errors, ENOENT among them
   */
  allow(path: string, rights: Rights): void {
    const fd = openSync(path, O_PATH | constants.O_RDONLY);
    try {
      const meaningful = statSync(path).isDirectory() ? this.#handled : this.#handled & ON_FILES;
      const rule = Buffer.alloc(12);
      rule.writeBigUInt64LE(RIGHTS[rights] & meaningful, 0);
      rule.writeInt32LE(fd, 8);
      systemCall('landlock_add_rule', this.fd, RULE_PATH_BENEATH, rule, 0);
    } finally {
      closeSync(fd);
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }
}
