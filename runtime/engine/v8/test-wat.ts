import wabtModule from 'wabt';

const wabt = await wabtModule();

/** For tests: a module from its text, with its names kept in a name section. */
export function wat(text: string): Uint8Array<ArrayBuffer> {
  const module = wabt.parseWat('guest.wat', text, { exceptions: true });
  try {
    return new Uint8Array(module.toBinary({ write_debug_names: true }).buffer);
  } finally {
    module.destroy();
  }
}
