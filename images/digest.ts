import { hash } from 'node:crypto';

/** 'sha256:…' of the bytes. */
export const digestOf = (data: Uint8Array): string => `sha256:${hash('sha256', data)}`;
