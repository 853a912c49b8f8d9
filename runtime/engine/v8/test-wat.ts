import wabtModule from 'wabt';

const wabt = await wabtModule();

const FEATURES = {
  exceptions: true,
  tail_call: true,
  threads: true,
  multi_memory: true,
  memory64: true,
  extended_const: true,
  relaxed_simd: true,
};

/** For tests: a module from its text, with its names kept in a name section. */
export function wat(text: string): Uint8Array<ArrayBuffer> {
  const module = wabt.parseWat('guest.wat', text, FEATURES);
  try {
    return new Uint8Array(module.toBinary({ write_debug_names: true }).buffer);
  } finally {
    module.destroy();
  }
}
