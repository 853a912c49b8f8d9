import './reflect-metadata.ts';

/** @peculiar/x509, loadable: its dependency tsyringe refuses to load without a metadata reflection API. */
export * from '@peculiar/x509';
