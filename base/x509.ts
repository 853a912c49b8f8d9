import './reflect-metadata.ts';

/**
 * What is used of @peculiar/x509, loadable: its dependency tsyringe refuses to load without a metadata reflection API.
 * By name, as a bundle in parts can tell the names of a CommonJS package only then.
 */
export {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
  type JsonName,
} from '@peculiar/x509';
