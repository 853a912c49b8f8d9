/** Name of the import module (docs/wasi-posix.md). Apart from the module, which is only loaded for who imports it. */
export const POSIX_MODULE = 'wasmlet_posix_v1';
