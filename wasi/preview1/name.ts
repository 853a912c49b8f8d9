/** Name of the import module. */
export const PREVIEW1_MODULE = 'wasi_snapshot_preview1';
